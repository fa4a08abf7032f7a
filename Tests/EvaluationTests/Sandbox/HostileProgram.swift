// Programs that try to harm, and how each must end.

import Evaluation

/// A program and the outcome that it must have, whatever layers hold it.
struct HostileProgram: Sendable {
  enum Ending: Sendable {
    case passed, timedOut
    /// Raised, or ended early: the outcome's reason contains this.
    case failed(String)
    /// Bounded by the kernel or by the one that watches, which differ between layers.
    case bounded
  }

  let name: String
  let text: String
  let ending: Ending

  init(_ name: String, _ text: String, _ ending: Ending) { (self.name, self.text, self.ending) = (name, text, ending) }

  func isMet(by outcome: ProgramOutcome) -> Bool {
    switch (ending, outcome) {
    case (.passed, .passed), (.timedOut, .timedOut), (.bounded, .failed), (.bounded, .killed): true
    case (.failed(let part), .failed(let reason)): reason.contains(part)
    default: false
    }
  }

  /// Their outcomes depend on what holds them. `PARENT` and `VICTIM` stand for this process and a directory of the
  /// test's.
  static let ofLayers = files + others

  /// Other programs that end.
  static let ofAll = processes + signals + sockets + memory + output + endings

  /// Programs that do not end.
  static let endless = [
    Self("a loop", "while True: pass", .timedOut),
    Self("fork bomb that goes on", "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", .timedOut),
    Self("endless output", "import os\nwhile True: os.write(1, bytes(1 << 16))", .timedOut),
    Self(
      "sleeps and ignores signals",
      "import signal, time\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, 1)\ntime.sleep(999)", .timedOut),
    Self(
      "ignores the end of its processor time",
      "import resource as r, signal\nsignal.signal(24, 1)\nr.setrlimit(r.RLIMIT_CPU, (1, 99))", .failed("maximum")),
  ]

  private static let refused = Ending.failed("Operation not permitted")

  private static let tinyThreads = """
    import threading, time
    threading.stack_size(32768)
    while True:
        try: threading.Thread(target=time.sleep, args=(99,)).start()
        except RuntimeError: time.sleep(0.001)
    """

  private static let processes = [
    Self("fork bomb", "import os\nwhile True: os.fork()", refused),
    Self(
      "daemon", "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: time.sleep(999)", refused),
    Self("pipe in a grandchild", "import subprocess\nsubprocess.Popen('sleep 999 &', shell=True)", refused),
    Self("session", "import os\nos.setsid()", refused),
    Self("trace of the parent", call("ptrace", "16, PARENT, 0, 0"), .failed("refused 1")),
    Self("namespace", call("unshare", "0x10000000"), .failed("refused 1")),
    Self("another program", "import os\nos.execv('/bin/true', ['true'])", .failed("before its last line")),
  ]

  private static let signals = [
    Self("kills its parent", "import os\nos.kill(PARENT, 9)", refused),
    Self("kills everybody", "import os\nos.kill(-1, 9)", refused),
    Self("kills its group", "import os\nos.kill(0, 9)", refused),
    Self("kills the parent's group", "import os\nos.killpg(os.getpgid(0) and PARENT, 9)", refused),
    Self("signals by a pipe", "import fcntl, os\nfcntl.fcntl(os.pipe()[0], 8, PARENT)", refused),
  ]

  private static let sockets =
    [
      ("TCP", "AF_INET"), ("IPv6", "AF_INET6"), ("Unix", "AF_UNIX"), ("netlink", "AF_NETLINK"), ("packet", "AF_PACKET"),
    ].map { Self("\($0) socket", "import socket\nsocket.socket(socket.\($1), socket.SOCK_RAW)", refused) } + [
      Self("UDP socket", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)", refused),
      Self("datagrams in a pair", "import socket\nsocket.socketpair(type=socket.SOCK_DGRAM)", refused),
    ]

  private static let files = [
    Self("fills the disk", "f = open('f', 'wb')\nwhile True: f.write(bytes(1 << 20))", .failed("Error")),
    Self(
      "many large files", "n = 0\nwhile True:\n  n += 1\n  open(str(n), 'wb').write(bytes(4 << 20))", .bounded),
    Self("100,000 files", "for n in range(100000): open(str(n), 'w')", .bounded),
    Self("depth", "import os\nwhile True: os.mkdir('d'); os.chdir('d')", .bounded),
    Self("writes elsewhere", "open('VICTIM/new', 'w')", .failed("[Errno")),
    Self("changes elsewhere", "open('VICTIM/file', 'r+')", .failed("[Errno")),
    Self("truncates elsewhere", "import os\nos.open('VICTIM/file', os.O_RDONLY | os.O_TRUNC)", .failed("[Errno")),
    Self("removes elsewhere", "import os\nos.remove('VICTIM/file')", .failed("[Errno")),
    Self("modes elsewhere", "import os\nos.chmod('VICTIM/file', 0)", refused),
    Self("times elsewhere", "import os\nos.utime('VICTIM/file', (0, 0))", refused),
    Self("HOME", "import pwd, os\nopen(pwd.getpwuid(os.getuid()).pw_dir + '/shoal-evil', 'w')", .failed("[Errno")),
    Self("link out", "import os\nos.symlink('VICTIM', 'l')\nopen('l/new', 'w')", .failed("[Errno")),
    Self("its own directory", "import os\nos.rmdir(os.getcwd())", .failed("[Errno")),
    Self("locks", "import fcntl\nfcntl.flock(open('/usr/bin/env'), fcntl.LOCK_EX)", refused),
    Self("shared memory", "open('/dev/shm/shoal-evil', 'w')", .failed("[Errno")),
    Self("System V memory", call("shmget", "77, 4096, 0o1666"), .failed("refused 1")),
    Self("semaphores", "import multiprocessing\nmultiprocessing.Lock()", .failed("[Errno")),
    Self("kernel", "open('/proc/sys/kernel/core_pattern', 'w')", .failed("[Errno")),
  ]

  private static let others = [
    Self("parent's memory", "open('/proc/PARENT/mem', 'rb').read(1)", .failed("Error")),
    Self("parent's environment", "raise ValueError(open('/proc/PARENT/environ').read())", .failed("[Errno")),
    Self(
      "threads", "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,)).start()",
      .bounded),
    Self("tiny threads", tinyThreads, .bounded),
    Self("descriptors", "import os\na = []\nwhile True: a.append(os.open('/dev/null', 0))", .failed("[Errno 24]")),
  ]

  private static let memory = [
    Self("limits are raised", "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))", .failed("maximum limit")),
    Self("the parent's limits", "import resource as r; r.prlimit(PARENT, r.RLIMIT_NOFILE, (0, 0))", refused),
    Self("memory", "a = []\nwhile True: a.append(bytearray(1 << 24))", .failed("MemoryError")),
    Self(
      "mapped memory", "import mmap\na = []\nwhile True: a.append(mmap.mmap(-1, 1 << 24))",
      .failed("Cannot allocate memory")),
    Self("nameless files", "import os\nos.memfd_create('x')", refused),
  ]

  private static let output = [
    Self(
      "output",
      "import sys\nfor n in range(64):\n  sys.stdout.write('x' * (1 << 20)); sys.stderr.write('y' * (1 << 20))", .passed
    ),
    Self("closed output", "import os, sys\nsys.stdout.close(); os.close(1); os.close(2)", .passed),
    Self("input", "input()", .failed("EOFError")),
  ]

  private static let keySearch = """
    import os, sys
    frame, found = sys._getframe(), [b"k" * 32]
    while frame:
        found += [value for value in frame.f_locals.values() if isinstance(value, bytes) and len(value) == 32]
        frame = frame.f_back
    os.write(4, found[-1] + b"P\\n")
    os._exit(0)
    """

  private static let endings = [
    Self("SystemExit", "raise SystemExit(0)", .failed("SystemExit: 0")),
    Self("_exit", "import os\nos._exit(0)", .failed("ended with code 0 before its last line")),
    Self("a made-up report", "import os\nos.write(4, b'k' * 32 + b'P\\n'); os._exit(0)", .failed("only the harness")),
    Self("a key from the harness's variables", keySearch, .failed("only the harness")),
    Self("a closed report", "import os\nos.closerange(3, 64)", .failed("ended with code 1")),
    Self("crash", "import ctypes\nctypes.string_at(0)", .failed("signal 11")),
    Self("abort", "import os\nos.abort()", .failed("signal")),
    Self("error without words", "class E(Exception):\n  def __str__(self): raise E\nraise E", .failed("E")),
    Self("words without end", "raise ValueError('x' * 10**7 + '\\n')", .failed("ValueError: xxx")),
    Self("no Python", "def f(:", .failed("SyntaxError")),
    Self("zeros", "x = '\0'", .failed("null bytes")),
    Self("depth of calls", "def f(): f()\nf()", .failed("RecursionError")),
    Self(
      "a thread that stays", "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()", .passed),
  ]

  private static func call(_ name: String, _ arguments: String) -> String {
    """
    import ctypes
    library = ctypes.CDLL(None, use_errno=True)
    assert library.\(name)(\(arguments)) == 0, f"refused {ctypes.get_errno()}"
    """
  }
}
