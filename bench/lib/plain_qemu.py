# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots VMs by QEMU alone: no libvirt, no cgroup, no Slurm. Runs as root on a node of the dev cluster:

    python3 plain_qemu.py command PID     prints, as JSON, how the QEMU with this pid was started
    python3 plain_qemu.py boot            takes such JSON (and "count") on standard input, boots that many at once, and
                                          prints the seconds until the last one's guest has run its first program

What differs from Holon's: sockets are named where libvirt passes descriptors, the tap is on no bridge, and QEMU's
seccomp sandbox, libvirt's secret and the paused start are gone. Machine, CPU model, memory, devices, kernel,
initramfs, kernel arguments, user and CPUs are the same."""

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import channel  # noqa: E402

LIMIT = 120  # seconds a boot may take


def command_of(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        words = file.read().split("\0")[:-1]
    with open(f"/proc/{pid}/status") as file:
        facts = dict(line.split(":", 1) for line in file)
    return {"words": words, "uid": int(facts["Uid"].split()[0]), "gid": int(facts["Gid"].split()[0]),
            "cpus": facts["Cpus_allowed_list"].strip()}


def plain(words, folder, tap):
    """libvirt's command line without libvirt."""
    out, rest = [words[0]], iter(words[1:])
    for option in rest:
        if option in ("-S", "-no-shutdown"):
            continue
        if option in ("-no-user-config", "-nodefaults"):
            out.append(option)
            continue
        value = next(rest)
        if option == "-name":
            value = "plain"
        elif option == "-sandbox" or option == "-uuid" or "masterKey0" in value:
            continue
        elif option == "-chardev":
            name = value.split("id=", 1)[1].split(",", 1)[0]
            value = f"socket,id={name},path={folder}/{name},server=on,wait=off"
        elif option == "-netdev":
            name = json.loads(value)["id"] if value.startswith("{") else value.split("id=", 1)[1].split(",", 1)[0]
            value = f"tap,id={name},fd={tap}"
        out += [option, value]
    return out


def open_tap(name):
    """A tap device of that name, which goes with its descriptor; only root may make one, as libvirtd does for Holon."""
    tap = os.open("/dev/net/tun", os.O_RDWR)
    tap_mode, no_packet_info, offload_header = 0x0002, 0x1000, 0x4000
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", name.encode(), tap_mode | no_packet_info | offload_header))
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return tap


def connect(path, process):
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection
        except OSError:
            connection.close()
            if process.poll() is not None:
                raise RuntimeError("QEMU ended: " + process.stderr.read().decode())
            time.sleep(0.002)
    raise TimeoutError("QEMU does not listen")


def boot_one(command, number, laps, faults):
    user = pwd.getpwuid(command["uid"])
    folder = tempfile.mkdtemp(prefix="bench-")
    os.chown(folder, command["uid"], command["gid"])
    tap = open_tap(f"bench{number}")
    words = plain(command["words"], folder, tap)
    config = {"hostname": "vm0", "vm_index": 0, "job": "1.0", "hosts": [["10.77.0.1", "vm0"]],
              "user": {"name": user.pw_name, "uid": user.pw_uid, "gid": user.pw_gid, "home": user.pw_dir,
                       "shell": user.pw_shell, "groups": [{"name": user.pw_name, "gid": user.pw_gid}]},
              "ssh": None, "files": [{"path": "/run/holon/hostfile", "mode": 420, "content": "vm0 slots=1\n"}],
              "time_ns": time.time_ns(), "entropy": os.urandom(32).hex()}
    mac = next(json.loads(word)["mac"] for word in words if '"mac"' in word)
    config["network"] = {"mac": mac, "address": "10.77.0.1", "prefix": 16, "mtu": 1450}
    process = None
    try:
        start = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", command["cpus"], "setpriv", f"--reuid={command['uid']}", f"--regid={command['gid']}",
             "--clear-groups", "--", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=[tap])
        console = connect(f"{folder}/charserial0", process)
        threading.Thread(target=drain, args=(console,), daemon=True).start()
        guest = channel.Guest(connect(f"{folder}/charchannel0", process))
        qemu = time.perf_counter()
        guest.synchronise(LIMIT)
        agent = time.perf_counter()
        guest.configure(config, LIMIT)
        ready = time.perf_counter()
        guest.run(["/bin/echo", "up"], {"uid": user.pw_uid, "gid": user.pw_gid}, LIMIT)
        end = time.perf_counter()
        laps[number] = {"total": end - start, "qemu": qemu - start, "guest": agent - qemu, "configure": ready - agent,
                        "session": end - ready}
    except Exception as error:
        faults.append(str(error))
    finally:
        if process:
            process.send_signal(signal.SIGKILL)
            words = process.communicate()[1].decode(errors="replace").strip()
            if number not in laps:
                faults.append("QEMU: " + words)
        os.close(tap)
        shutil.rmtree(folder)


def drain(connection):
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass  # its QEMU was killed


def boot(command):
    laps, faults = {}, []
    threads = [threading.Thread(target=boot_one, args=(command, number, laps, faults))
               for number in range(command["count"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise SystemExit("plain_qemu: " + "; ".join(faults))
    last = max(laps.values(), key=lambda lap: lap["total"])
    print(json.dumps(last))


if __name__ == "__main__":
    if sys.argv[1] == "command":
        print(json.dumps(command_of(sys.argv[2])))
    else:
        boot(json.load(sys.stdin))
