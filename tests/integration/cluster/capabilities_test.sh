#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What slurmctld's plugins know of the nodes, how a broken VM layer is shown, and the site's rules at submit.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

snapshot=/var/lib/holon/controller/snapshot.json
known() { on ctl cat "$snapshot" | grep -qE "$1"; }
comment_of() { on ctl scontrol -o show node "$1" | grep -o 'Comment=.*' | sed 's/ [A-Z][A-Za-z]*=.*//; s/^Comment=//'; }
comment_is() { [[ $(comment_of "$1") =~ $2 ]]; }
comment_gone() { [[ -z $(comment_of "$1") ]]; }

# --- nodes report -------------------------------------------------------------------------------------------------------
for node in n1 n2 n3; do
    check "$node tells the controller that it can host VMs" within 60 known "\"healthy\":true,\"huge_mb\":[0-9]+,\"kvm\":(true|false),\"name\":\"$node\""
done
shows "with its images" '"(cached|present)":\[[^]]*"tiny"' "$(on ctl cat $snapshot)"
shows "holon doctor on the controller is content" '^ok +capabilities +3 nodes can host VMs' \
    "$(on ctl holon doctor --controller)"

# --- a broken VM layer --------------------------------------------------------------------------------------------------
on ctl scontrol update NodeName=n3 Comment=rented
"$dc" stop n2 libvirtd
"$dc" stop n3 libvirtd
check "a node whose libvirt does not answer says so in Slurm" within 60 comment_is n2 '^holon: no VM jobs here: '
shows "sinfo shows it as well" '^n2 +holon: no VM jobs here' "$(on ctl sinfo -h -N -O NodeList:10,Comment:80)"
check "placement knows it" within 30 known '"healthy":false,"huge_mb":[0-9]+,"kvm":(true|false),"name":"n2"'
check "and of the other one" within 60 known '"healthy":false,"huge_mb":[0-9]+,"kvm":(true|false),"name":"n3"'
equal "whose comment of the site's own stays" rented "$(comment_of n3)"
equal "none is drained" "" "$(drained_nodes)"
equal "and ordinary jobs go on there" n2 "$(alice srun -w n2 -N1 hostname)"
"$dc" start n2 libvirtd
"$dc" start n3 libvirtd
on ctl scontrol update NodeName=n3 Comment=
check "the comment goes when libvirt answers again" within 60 comment_gone n2
check "and placement counts with the node" within 60 known '"healthy":true,"huge_mb":[0-9]+,"kvm":(true|false),"name":"n2"'

# --- the controller's daemon dies ---------------------------------------------------------------------------------------
"$dc" kill ctl holond-controller
"$dc" start ctl holond-controller
check "a controller's daemon that was killed knows its nodes again at once" known '"healthy":true,"huge_mb":[0-9]+,"kvm":(true|false),"name":"n1"'

# --- checkpoints --------------------------------------------------------------------------------------------------------
# tell HOST JSON: one request to holond's local socket there; prints the answer.
tell() {
    on "$1" perl -MIO::Socket::UNIX -e '
        my $s = IO::Socket::UNIX->new(Peer => "/run/holon/holond.sock") or die "no holond: $!";
        print $s pack("N", length $ARGV[0]), $ARGV[0]; $s->flush;
        read($s, my $size, 4); read($s, my $reply, unpack("N", $size)); print "$reply\n"' "$2"
}
whose='"uid":1001,"folder":"/shared/c/4242","network":true'
shapes='[{"vms":2,"cpus":3,"memory_mb":512},{"vms":1,"cpus":5,"memory_mb":1024}]'
equal "a node's holond passes on that a checkpoint was committed" '{"ok":true}' \
    "$(tell n1 "{\"op\":\"checkpointed\",\"checkpoint\":{\"job\":4242,\"id\":\"1\",\"mode\":\"smp\",\"image\":\"tiny\",\"shapes\":$shapes,$whose}}")"
check "the controller knows its shapes" within 10 known '"id":"1","image":"tiny","job":4242,"mode":"smp"'
equal "and forgets them when the job has none any more" '{"ok":true}' \
    "$(tell n2 '{"op":"checkpointed","checkpoint":{"job":4242,"id":"","mode":"smp","image":"tiny","shapes":[],"uid":0,"folder":"","network":true}}')"
forgotten() { ! known '"job":4242'; }
check "at once" within 10 forgotten
shows "a report that is none is refused" '"error":"vms: not a whole number' \
    "$(tell n1 '{"op":"checkpointed","checkpoint":{"job":4242,"id":"c","mode":"smp","image":"tiny","shapes":[{"vms":99999,"cpus":1,"memory_mb":1}]}}')"

# A user's credential is not root's.
# shellcheck disable=SC2016
answer=$(alice perl -MIO::Socket::INET -e '
    my $text = q({"op":"capabilities","to":"ctl","node":{"name":"n1","healthy":false,"reason":"x","kvm":false,"huge_mb":0,"cached":[],"present":[]}});
    open(my $in, ">", "/tmp/asked.$$"); print $in $text; close $in;
    my $sealed = `munge -i /tmp/asked.$$`; chomp $sealed; unlink "/tmp/asked.$$";
    my $s = IO::Socket::INET->new(PeerAddr => "ctl:6830") or die "no controller: $!";
    print $s pack("N", length $sealed), $sealed; $s->flush;
    read($s, my $size, 4); read($s, my $reply, unpack("N", $size));
    open(my $f, ">", "/tmp/reply.$$"); print $f $reply; close $f; print `unmunge -i /tmp/reply.$$`; unlink "/tmp/reply.$$"')
shows "a user cannot speak for a node" "is for root on a node" "$answer"

# --- the site's rules ---------------------------------------------------------------------------------------------------
on ctl cp /etc/holon/holon.yaml /etc/holon/holon.yaml.before
on ctl sed -i 's/^  rules: \[\]/  rules: [{user: bob, max_vms: 1}]/' /etc/holon/holon.yaml
refused() { grep -q 'at most 1 VMs' <<<"$(bob sbatch --vm-cluster=2 --wrap true 2>&1)"; }
check "a rule for a user holds within seconds" within 30 refused
lacks "and for him alone" 'error' "$(alice sbatch --test-only --vm-cluster=2 -N2 --mem=500 --wrap true 2>&1)"
check "a virtual SMP is accepted" alice sbatch --test-only --vm-smp -n 2 --wrap true
on ctl sed -i 's/^  allow_smp: .*/  allow_smp: false/' /etc/holon/holon.yaml
refused() { grep -q 'vm-smp: not offered here' <<<"$(alice sbatch --test-only --vm-smp -n 2 --wrap true 2>&1)"; }
check "and refused within seconds where the site does not offer it" within 30 refused
on ctl cp /etc/holon/holon.yaml.before /etc/holon/holon.yaml
default=$(on ctl scontrol -o show partition | sed -n 's/^PartitionName=\([^ ]*\) .*Default=YES.*/\1/p')
on ctl sed -i "s/^  rules: \[\]/  rules: [{partition: $default, max_vms: 1}]/" /etc/holon/holon.yaml
offered() { alice sbatch --test-only --vm-cluster=2 -N2 --mem=500 --wrap true; }
refused() { grep -q 'at most 1 VMs' <<<"$(offered 2>&1)"; }
check "a rule for the default partition ($default) holds for who names none" within 30 refused
on ctl mv /etc/holon/holon.yaml.before /etc/holon/holon.yaml
# The tests that come after this one have no such rule.
check "and no longer when it is gone" within 30 offered

bob scancel -u bob
equal "no node was drained" "" "$(drained_nodes)"
finish
