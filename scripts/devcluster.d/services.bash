# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The daemons on the hosts: what starts in which order, and the commands that start, end and kill single ones.

daemon_on() { # daemon_on HOST ACTION ARGUMENTS…
    in_host "$1" /usr/libexec/devcluster/daemon "${@:2}"
}

# services_start HOST: all of its daemons, each ready before the next one that needs it starts.
services_start() {
    local name=$1 daemon list
    list=$(daemon_on "$name" list)
    for daemon in $list; do
        if [[ $daemon == slurmdbd ]]; then
            database_prepare
        fi
        daemon_on "$name" start "$daemon"
        daemon_on "$name" ready "$daemon" "$PATIENCE"
        if [[ $daemon == slurmdbd ]]; then
            accounts_prepare
        fi
    done
}

# The database slurmdbd keeps the accounting in. Its files are made once and copied, because making them is slow.
database_files() {
    local version template
    version=$(in_host ctl mariadbd --version | grep -o '[0-9][^ ]*' | head -n 1)
    template=$CACHE/$RELEASE/mariadb-$version.tar
    if [[ ! -e $template ]]; then
        in_host ctl install -d -o mysql -g mysql /var/lib/mysql
        in_host ctl mariadb-install-db --no-defaults --user=mysql --datadir=/var/lib/mysql --skip-test-db \
            --auth-root-authentication-method=socket >"$STATE/mariadb-install.log" 2>&1 ||
            die "mariadb-install-db failed: $(tail -n 3 "$STATE/mariadb-install.log")"
        in_host ctl tar -C /var/lib/mysql -S -c . >"$template.$$"
        mv "$template.$$" "$template"
    else
        in_host ctl install -d /var/lib/mysql
        in_host ctl tar -C /var/lib/mysql -x <"$template"
        in_host ctl chown -R mysql:mysql /var/lib/mysql # a root made anew may count its users otherwise
    fi
}

# slurmdbd would create the database itself, but with MariaDB's client library 11.8.9 it cannot use it then at once.
database_prepare() {
    in_host ctl mariadb --no-defaults --socket=/run/mysqld/mysqld.sock <<'END'
create user if not exists slurm@localhost identified via unix_socket;
create database if not exists slurm_acct_db;
grant all on slurm_acct_db.* to slurm@localhost;
END
}

accounts_prepare() {
    in_host ctl sh -c 'sacctmgr -n list cluster format=cluster | grep -q holon || {
        sacctmgr -i -Q add cluster holon
        sacctmgr -i -Q add account users cluster=holon description=users organization=holon
        sacctmgr -i -Q add user alice,bob account=users defaultaccount=users; }' >/dev/null
}

services_command() { # start|stop|restart HOST DAEMON
    [[ $# -eq 3 ]] || die "usage: devcluster $1 HOST DAEMON"
    if [[ $1 == stop ]] || { [[ $1 == restart ]] && daemon_on "$2" alive "$3"; }; then
        daemon_on "$2" stop "$3"
    fi
    if [[ $1 != stop ]]; then
        daemon_on "$2" start "$3"
        daemon_on "$2" ready "$3" "$PATIENCE"
    fi
}

services_kill() {
    [[ $# -ge 2 ]] || die "usage: devcluster kill HOST DAEMON [SIGNAL]"
    daemon_on "$1" kill "$2" "${3:-KILL}"
}
