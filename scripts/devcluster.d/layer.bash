# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The configuration files all hosts share, as one layer under their roots and over Holon's staging tree.
# A directory in a higher layer decides owner and mode of the merged one, so each is made as the package has it.

layer_write() {
    local layer=$STATE/layer
    mkdir -p "$layer/usr/libexec/devcluster"
    cp "$SCRIPTS/devcluster.d/daemon" "$SCRIPTS/devcluster.d/reaper" "$layer/usr/libexec/devcluster/"
    layer_users "$layer"
    layer_network "$layer"
    layer_munge "$layer"
    layer_libvirt "$layer"
    layer_slurm "$layer"
}

# layer_add_user ETC NAME ID HOME SHELL: adds user and group to the layer unless the root has them.
layer_add_user() {
    local etc=$1 name=$2 id=$3 home=$4 shell=$5
    grep -q "^$name:" "$etc/group" || echo "$name:x:$id:" >>"$etc/group"
    grep -q "^$name:" "$etc/passwd" || echo "$name:x:$id:$id::$home:$shell" >>"$etc/passwd"
    grep -q "^$name:" "$etc/shadow" || echo "$name:*:19000:0:99999:7:::" >>"$etc/shadow"
}

# alice and bob exist only here, whatever the machine calls the uids 1000 and 1001.
layer_users() {
    local etc=$1/etc user kvm
    mkdir -p "$etc"
    awk -F: '$3 != 1000 && $3 != 1001 && $1 != "alice" && $1 != "bob"' "${BASE%/}/etc/passwd" >"$etc/passwd"
    awk -F: '$3 != 1000 && $3 != 1001 && $1 != "alice" && $1 != "bob"' "${BASE%/}/etc/group" >"$etc/group"
    awk -F: '$1 != "alice" && $1 != "bob"' "${BASE%/}/etc/shadow" >"$etc/shadow"
    chmod 0640 "$etc/shadow"
    chgrp 42 "$etc/shadow" # group shadow in every Debian
    layer_add_user "$etc" alice 1000 /home/alice /bin/bash
    layer_add_user "$etc" bob 1001 /home/bob /bin/bash
    # libvirtd 9 ends at once without these two, which come with a package made for systemd.
    layer_add_user "$etc" libvirt-qemu 64055 /var/lib/libvirt /usr/sbin/nologin
    kvm=$(stat -c %g /dev/kvm 2>/dev/null || echo 0)
    grep -q '^kvm:' "$etc/group" || echo "kvm:x:$((kvm > 0 ? kvm : 64056)):" >>"$etc/group"
    for user in alice bob; do
        install -d -m 0755 -o "$(id_in "$etc" $user)" -g "$(id_in "$etc" $user)" "$BULK/home/$user"
        cp -rT "${BASE%/}/etc/skel" "$BULK/home/$user"
        chown -R "$(id_in "$etc" $user):$(id_in "$etc" $user)" "$BULK/home/$user"
    done
}

# id_in ETC USER: the uid a user has in the hosts, which need not be the one it has on the machine.
id_in() {
    awk -F: -v name="$2" '$1 == name { print $3 }' "$1/passwd"
}

group_in() {
    awk -F: -v name="$2" '$1 == name { print $4 }' "$1/passwd"
}

layer_network() {
    local etc=$1/etc host
    {
        echo "127.0.0.1 localhost"
        for host in "${HOSTS[@]}"; do
            echo "$(host_address "$host") $host"
        done
    } >"$etc/hosts"
    : >"$etc/resolv.conf" # there is no way out, so no name server is waited for
}

layer_munge() {
    local etc=$1/etc owner
    owner=$(id_in "$etc" munge):$(group_in "$etc" munge)
    install -d -m 0700 "$etc/munge"
    (umask 077 && head -c 1024 /dev/urandom >"$etc/munge/munge.key")
    chmod 0400 "$etc/munge/munge.key"
    chown -R "$owner" "$etc/munge"
}

# No polkit, D-Bus or virtlogd is needed with these.
layer_libvirt() {
    local etc=$1/etc
    mkdir -p "$etc/libvirt"
    cat >"$etc/libvirt/libvirtd.conf" <<'END'
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_dir = "/run/libvirt"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
host_uuid_source = "machine-id"
END
    cp "$SCRIPTS/../etc/qemu.conf.holon" "$etc/libvirt/qemu.conf"
}

layer_slurm() {
    local etc=$1/etc cores=yes affinity=,task/affinity swap=no
    local extra="" plugins signal=PreemptParameters=send_user_signal
    [[ $RELEASE != bookworm ]] || signal=SlurmctldParameters=preempt_send_user_signal
    plugins=$(compgen -G "$STATE/stage/usr/lib/*/slurm-wlm" || echo "$STATE/stage/none")
    mkdir -p "$etc/slurm/plugstack.conf.d"
    if [[ $CPUS -gt $(nproc) ]]; then
        cores=no affinity=""
    fi
    if [[ $(cgroups_version) == 2 ]] || grep -qs . "$(cgroups_v1_root memory)/memory.memsw.limit_in_bytes"; then
        swap=yes
    fi
    if [[ -e $plugins/job_submit_holon.so ]]; then
        extra="JobSubmitPlugins=holon"
    fi
    # Holon's select plugin stands before Slurm's own, whose name it has.
    if [[ -e $STATE/stage/usr/lib/holon/slurm/select_cons_tres.so ]]; then
        extra+=$'\n'"PluginDir=/usr/lib/holon/slurm:/${plugins#"$STATE/stage/"}"
    fi
    cat >"$etc/slurm/slurm.conf" <<END
ClusterName=holon
SlurmctldHost=ctl
SlurmUser=slurm
AuthType=auth/munge
# A job that is requeued starts again when its last credential has expired: after 120 seconds, were it not for this.
AuthInfo=cred_expire=45
MailProg=/bin/true
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
SlurmctldDebug=verbose
SlurmdDebug=verbose

ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup$affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=$((MEM > CPUS ? MEM / CPUS : 1))
PrologFlags=Alloc,Contain,DeferBatch
LaunchParameters=use_interactive_step
PlugStackConfig=/etc/slurm/plugstack.conf
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
# Partitions that preempt others are made by who needs them; "main" has no part in it.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$signal
$extra

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=ctl
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5

# Short, so that tests of faults need not wait; long enough for a machine whose few CPUs also run the guests.
KillWait=5
MinJobAge=120
SlurmctldTimeout=30
SlurmdTimeout=30
MessageTimeout=20
BatchStartTimeout=60
UnkillableStepTimeout=100
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=3,bf_interval=3,batch_sched_delay=0

NodeName=n[1-$NODES] CPUs=$CPUS RealMemory=$MEM State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PreemptMode=OFF
END
    cat >"$etc/slurm/cgroup.conf" <<END
CgroupPlugin=cgroup/v$(cgroups_version)
CgroupMountpoint=/sys/fs/cgroup
ConstrainCores=$cores
ConstrainRAMSpace=yes
ConstrainSwapSpace=$swap
ConstrainDevices=no
END
    # slurmd would else ask systemd, which the hosts do not have, for its cgroup
    [[ $(cgroups_version) == 1 ]] || echo 'IgnoreSystemd=yes' >>"$etc/slurm/cgroup.conf"
    cat >"$etc/slurm/slurmdbd.conf" <<'END'
AuthType=auth/munge
DbdHost=ctl
SlurmUser=slurm
StorageType=accounting_storage/mysql
StorageUser=slurm
StorageLoc=slurm_acct_db
LogFile=/var/log/slurm/slurmdbd.log
PidFile=/run/slurm/slurmdbd.pid
END
    chmod 0600 "$etc/slurm/slurmdbd.conf"
    chown "$(id_in "$etc" slurm):$(group_in "$etc" slurm)" "$etc/slurm/slurmdbd.conf"
    echo 'include /etc/slurm/plugstack.conf.d/*.conf' >"$etc/slurm/plugstack.conf"
    # A stage may bring its own line; one that only has the plugin gets this one.
    if [[ -e $plugins/spank_holon.so ]] && ! grep -qrs spank_holon "$STATE/stage/etc/slurm"; then
        echo 'required spank_holon.so' >"$etc/slurm/plugstack.conf.d/holon.conf"
    fi
}
