#!/usr/bin/env python3
"""Boots Debian under qemu-system as a board would, with the package, and cuts its power.

    board.py arm64|armhf TOPICD DEB       writes firmware-notes/board-ARCH.md

It needs root, qemu-system-arm, qemu-user-static and mmdebstrap (apt-get brings them).
The root file system is made once, in .build/board, with Debian's own kernel.
"""
import atexit, glob, http.client, json, os, re, shutil, subprocess, sys, threading, time

ARCH, TOPICD, DEB = sys.argv[1:4]
WORK = ".build/board"
PORT = int(os.environ.get("BOARD_PORT", "23345"))
WRITERS, LOAD = 48, 15  # connections that publish, seconds until the power is cut

ARCHES = {  # Debian's kernel, qemu, machine, ELF machine for binfmt_misc, class
    "arm64": ("linux-image-cloud-arm64", "qemu-system-aarch64", ["-M", "virt", "-cpu", "cortex-a53"], "aarch64", 2, 0xB7),
    "armhf": ("linux-image-armmp-lpae", "qemu-system-arm", ["-M", "virt", "-cpu", "cortex-a15"], "arm", 1, 0x28),
}
KERNEL, QEMU, MACHINE, USER, BITS, ELF = ARCHES[ARCH]
MIRROR = [m for m in [os.environ.get("BOARD_MIRROR")] if m]  # where packages come from, if not from Debian's own
out = []


def say(line=""):
    print(line, flush=True)
    out.append(line)


def sh(*args, **kw):
    return subprocess.run(args, check=True, **kw)


def base():
    """The root file system as Debian has it."""
    tar = f"{WORK}/root-{ARCH}.tar"
    if os.path.exists(tar):
        return tar
    if not os.path.exists("/proc/sys/fs/binfmt_misc/register"):
        sh("mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc")
    if not os.path.exists(f"/proc/sys/fs/binfmt_misc/topicd-{ARCH}") and not os.path.exists(f"/proc/sys/fs/binfmt_misc/qemu-{USER}"):
        magic = f"\\x7f\\x45\\x4c\\x46\\x{BITS:02x}\\x01\\x01" + "\\x00" * 9 + f"\\x02\\x00\\x{ELF:02x}\\x00"
        mask = "\\xff" * 7 + "\\x00" + "\\xff" * 8 + "\\xfe\\xff\\xff\\xff"
        with open("/proc/sys/fs/binfmt_misc/register", "w") as f:
            f.write(f":topicd-{ARCH}:M::{magic}:{mask}:/usr/bin/qemu-{USER}-static:F")
    sh("mmdebstrap", "--quiet", "--format=tar", "--skip=check/qemu", "--mode=root", f"--architectures={ARCH}", "--variant=minbase",
       f"--include=systemd,systemd-sysv,udev,iproute2,initramfs-tools,kmod,adduser,{KERNEL}",
       # An initramfs of all modules takes ten minutes where qemu-user packs it.
       '--essential-hook=mkdir -p "$1"/etc/initramfs-tools/conf.d "$1"/usr/share/initramfs-tools/modules.d; echo MODULES=list >"$1"/etc/initramfs-tools/conf.d/board;'
       ' printf "virtio_pci\\nvirtio_mmio\\nvirtio_blk\\nvirtio_net\\next4\\n" >"$1"/usr/share/initramfs-tools/modules.d/board',
       *[f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("man", "locale", "doc")], "bookworm", tar + ".new", *MIRROR)
    os.rename(tar + ".new", tar)
    return tar


def disk():
    """A fresh disk for the board. The package lies in /root and is not installed."""
    root = f"{WORK}/root-{ARCH}"
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    sh("tar", "-C", root, "-xf", base())

    def write(name, text):
        os.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
        with open(f"{root}/{name}", "w") as f:
            f.write(text)

    write("etc/hostname", "board\n")
    write("etc/fstab", "/dev/vda / ext4 rw,noatime 0 1\n")
    write("etc/systemd/network/lan.network", "[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n")
    wants = "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    os.makedirs(os.path.dirname(f"{root}/{wants}"), exist_ok=True)
    if not os.path.lexists(f"{root}/{wants}"):
        os.symlink("/lib/systemd/system/systemd-networkd.service", f"{root}/{wants}")
    write("etc/systemd/system/serial-getty@ttyAMA0.service.d/root.conf",
          "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noclear 115200 %I dumb\n")
    write("etc/systemd/system/topicd.service.d/durable.conf", "[Service]\nEnvironment=TOPICD_DURABLE=plant/#\n")
    shutil.copy(DEB, f"{root}/root/topicd.deb")
    following(f"{root}/root/next.deb")
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(glob.glob(f"{root}/boot/{name}-*")[0], f"{WORK}/{name}-{ARCH}")
    image = f"{WORK}/disk-{ARCH}.img"
    if os.path.exists(image):
        os.remove(image)
    sh("mke2fs", "-q", "-t", "ext4", "-d", root, image, "1300M", stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return image


def following(to):
    """The package as a later version would have it: its conffile is another one."""
    tree = f"{WORK}/next-{ARCH}"
    shutil.rmtree(tree, ignore_errors=True)
    sh("dpkg-deb", "-R", DEB, tree)
    with open(f"{tree}/DEBIAN/control") as f:
        control = re.sub(r"(?m)^(Version: .*)$", r"\1+next", f.read())
    with open(f"{tree}/DEBIAN/control", "w") as f:
        f.write(control)
    with open(f"{tree}/etc/topicd/topicd.toml", "a") as f:
        f.write("# the next version's line\n")
    sh("dpkg-deb", "--root-owner-group", "-Zgzip", "-b", tree, to, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)


class Board:
    """One time between power on and power off, with a root shell on its console."""

    def __init__(self, image, log):
        self.began = time.monotonic()
        self.qemu = subprocess.Popen(
            [QEMU, *MACHINE, "-smp", "2", "-m", "512", "-accel", "tcg,thread=multi,tb-size=256", "-nographic", "-no-reboot",
             "-kernel", f"{WORK}/vmlinuz-{ARCH}", "-initrd", f"{WORK}/initrd.img-{ARCH}",
             "-append", "root=/dev/vda rw console=ttyAMA0 net.ifnames=0 quiet systemd.show_status=0",
             "-drive", f"if=none,file={image},format=raw,id=d", "-device", "virtio-blk-pci,drive=d",
             "-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{PORT}-:22345", "-device", "virtio-net-pci,netdev=n,romfile="],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        atexit.register(self.qemu.kill)
        self.log, self.text, self.grown = open(log, "wb"), b"", threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while b := os.read(self.qemu.stdout.fileno(), 4096):
            self.log.write(b)
            self.log.flush()
            with self.grown:
                self.text += b
                self.grown.notify_all()
        with self.grown:
            self.text += b"\n(the power is off)\n"
            self.grown.notify_all()

    def age(self):
        return time.monotonic() - self.began

    def until(self, pattern, within=240):
        end = time.monotonic() + within
        with self.grown:
            while not (m := re.search(pattern, self.text)):
                if not self.grown.wait(end - time.monotonic()) and time.monotonic() > end:
                    raise SystemExit(f"the console does not show {pattern}:\n{self.text[-3000:].decode(errors='replace')}")
            self.text = self.text[m.end():]
            return m

    def run(self, command, within=240):
        """Types a command and returns what it prints."""
        with self.grown:
            self.text = b""
        self.qemu.stdin.write(f"{command}; echo 'do''ne' $?\n".encode())
        self.qemu.stdin.flush()
        m = self.until(rb"(?s)(.*)done (\d+)\r?\n", within)
        lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", m[1].decode(errors="replace")).replace("\r", "").split("\n")
        return "\n".join(l for l in lines if "echo 'do''ne'" not in l and l.strip()), int(m[2])

    def shell(self):
        self.until(rb"root@board:~# ")
        self.run("stty -echo cols 200; export PS1= TERM=dumb PAGER=cat SYSTEMD_COLORS=0")

    def first_reading(self):
        """Waits until the host sees a reading through the forwarded port."""
        while self.age() < 300:
            try:
                rows = ask("GET", "/api/topics?match=gateway/%23&data=1")[1].get("topics", [])
                if rows:
                    return self.age(), rows[0]
            except (OSError, http.client.HTTPException, ValueError):
                pass
            time.sleep(0.1)
        raise SystemExit("no reading in 300 s")

    def cut(self):
        """Takes the power away."""
        self.qemu.kill()
        self.qemu.wait()

    def off(self):
        self.qemu.stdin.write(b"poweroff\n")
        self.qemu.stdin.flush()
        self.qemu.wait(120)


def ask(method, path, body=None, conn=None):
    c = conn or http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    c.request(method, path, body)
    r = c.getresponse()
    return r.status, json.loads(r.read() or b"null")


def quote(text):
    for line in text.rstrip().split("\n"):
        say("    " + line.rstrip())
    say()


def install(image):
    b = Board(image, f"{WORK}/console-{ARCH}-1.log")
    b.shell()
    say(f"Debian {ARCH} is up after {b.age():.0f} s. The package is installed by `dpkg -i`:")
    say()
    began = time.monotonic()
    text, code = b.run("dpkg -i topicd.deb 2>&1 | tail -3; systemctl is-active topicd")
    took = time.monotonic() - began
    quote(text)
    _, first = b.first_reading()
    say(f"It took {took:.0f} s, and {time.monotonic() - began:.0f} s from its start to the first reading on the host: `{first['topic']}`.")
    say()
    b.run("sync")
    b.off()


def browse():
    """The dashboard in a browser on the host."""
    if not shutil.which("chromium"):
        return
    shot = f"{WORK}/board-{ARCH}.png"
    r = subprocess.run(["timeout", "60", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={WORK}/chromium",
                        "--window-size=1100,700", "--timeout=8000", "--virtual-time-budget=8000", f"--screenshot={shot}", "--dump-dom", f"http://127.0.0.1:{PORT}/"],
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if "memory" in r.stdout and os.path.exists(shot):
        say("Chromium on the host shows the dashboard with the board's sensors through the forwarded port.")
    else:
        say("Chromium on the host did not get so far within 60 s.")
    say()


def load(b):
    """Publishes to durable topics until the power is cut; returns what was acknowledged, by topic."""
    acked = [0] * WRITERS
    stop = threading.Event()

    def write(i):
        c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        while not stop.is_set():
            try:
                if ask("POST", f"/api/pub/plant/{i}", str(acked[i] + 1), c)[0] != 200:
                    return
            except (OSError, http.client.HTTPException, ValueError):
                return
            acked[i] += 1

    threads = [threading.Thread(target=write, args=(i,)) for i in range(WRITERS)]
    for t in threads:
        t.start()
    time.sleep(LOAD)
    b.cut()
    stop.set()
    for t in threads:
        t.join()
    return acked


def second(image):
    b = Board(image, f"{WORK}/console-{ARCH}-2.log")
    took, first = b.first_reading()
    say(f"Power on. {took:.1f} s later the host has the first reading: `{first['topic']}` = `{json.dumps(first.get('data'))}`.")
    say()
    browse()
    b.shell()
    quote(b.run("systemctl status topicd --no-pager -n 0")[0])
    pid = "$(systemctl show -P MainPID topicd)"
    quote(b.run(f"grep -E 'VmRSS|RssAnon|Threads' /proc/{pid}/status; echo MemoryCurrent $(systemctl show -P MemoryCurrent topicd) of MemoryMax $(systemctl show -P MemoryMax topicd); uname -r; topicd config check")[0])
    watchdog(b)
    acked = load(b)
    say(f"{WRITERS} connections publish to durable topics for {LOAD} s, each the next reading when the one before was answered, then qemu is killed:")
    say(f"{sum(acked)} readings were acknowledged, of {sum(n > 0 for n in acked)} topics.")
    say()
    return acked


def watchdog(b):
    """Stops the hub as a hang would, and waits until systemd has another one."""
    began = time.monotonic()
    text, code = b.run("old=$(systemctl show -P MainPID topicd); kill -STOP $old; for i in $(seq 90); do sleep 1; new=$(systemctl show -P MainPID topicd);"
                       " [ $new != 0 ] && [ $new != $old ] && systemctl -q is-active topicd && break; done; systemctl show -P NRestarts topicd;"
                       " journalctl -u topicd -b -o cat --no-pager | grep -iE 'watchdog|killing|scheduled restart' | tail -5")
    say(f"SIGSTOP stops the hub as a hang would. {time.monotonic() - began:.0f} s later systemd has started another one:")
    say()
    quote(text)
    b.first_reading()
    if text.split()[0] == "0":
        raise SystemExit("the watchdog restarted nothing")


def third(image, acked):
    b = Board(image, f"{WORK}/console-{ARCH}-3.log")
    took, _ = b.first_reading()
    lost = more = 0
    for i, n in enumerate(acked):
        # A topic of which nothing was acknowledged need not be there.
        got = subprocess.run([TOPICD, "get", f"plant/{i}", "--raw", "--since", "1h", "--hub", f"127.0.0.1:{PORT}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if got.returncode and "no topic" not in got.stderr:
            raise SystemExit(got.stderr)
        have = {int(v) for v in got.stdout.split()}
        lost += len(set(range(1, n + 1)) - have)
        more += len(have - set(range(1, n + 1)))
    say(f"Power on again: the first reading after {took:.1f} s. Of {sum(acked)} acknowledged readings {lost} are lost; {more} more had come to the disk unacknowledged.")
    say()
    b.shell()
    quote(b.run("journalctl -u topicd -b -o cat --no-pager | grep -v '^ ' | tail -8")[0])
    upgrade(b)
    conffile(b)
    b.off()
    return lost


def upgrade(b):
    """Installs the package again while requests come, with the port in systemd's hands."""
    b.run("systemctl stop topicd; systemctl enable --now topicd.socket; systemctl start topicd")
    b.first_reading()
    asked, refused, longest, stop = 0, 0, 0.0, threading.Event()

    def knock():
        nonlocal asked, refused, longest
        while not stop.is_set():
            at = time.monotonic()
            try:
                ask("GET", "/healthz")
            except (OSError, http.client.HTTPException, ValueError):
                refused += 1
            asked, longest = asked + 1, max(longest, time.monotonic() - at)
            time.sleep(0.05)

    t = threading.Thread(target=knock)
    t.start()
    b.run("dpkg -i topicd.deb >/dev/null 2>&1; systemctl is-active topicd")
    time.sleep(3)
    stop.set()
    t.join()
    say(f"With topicd.socket the package is installed over itself while somebody asks: {asked} requests, {refused} without an answer, the longest waited {longest:.1f} s.")
    say()


def conffile(b):
    """An upgrade keeps what the administrator wrote, a purge nothing."""
    b.run("echo '# mine' >>/etc/topicd/topicd.toml; dpkg --force-confold -i next.deb >/tmp/upgrade 2>&1")
    text, _ = b.run("dpkg-query -W topicd; systemctl is-active topicd; tail -n 1 /etc/topicd/topicd.toml /etc/topicd/topicd.toml.dpkg-dist")
    say("A later version whose topicd.toml is another one, over a topicd.toml with the administrator's line (`dpkg --force-confold`):")
    say()
    quote(text)
    if "# mine" not in text or "active" not in text or "+next" not in text:
        raise SystemExit("the upgrade did not keep the conffile")
    text, _ = b.run("dpkg -P topicd 2>&1 | tail -2; ls -d /var/lib/topicd /etc/topicd /usr/share/doc/topicd; grep -c topicd /etc/passwd")
    say("Purged:")
    say()
    quote(text)


def main():
    os.makedirs(WORK, exist_ok=True)
    began = time.monotonic()
    say(f"# A boot of Debian {ARCH}")
    say()
    say(f"Written by `make board`: {QEMU} without hardware help ({' '.join(MACHINE)}, 2 CPUs, 512 MB), Debian bookworm with its own kernel")
    say(f"({KERNEL}). A board of that kind is several times as fast as this emulation.")
    say()
    image = disk()
    install(image)
    acked = second(image)
    lost = third(image, acked)
    say(f"All of it took {(time.monotonic() - began) / 60:.1f} minutes.")
    with open(f"firmware-notes/board-{ARCH}.md", "w") as f:
        f.write("\n".join(out) + "\n")
    sys.exit(1 if lost or sum(acked) == 0 else 0)


main()
