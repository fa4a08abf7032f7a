// The user's own Python: where it is, and what it must be able to read.

internal import CShoal
import Glibc

/// A Python whose program and libraries are known.
struct PythonInterpreter: Sendable, Equatable {
  /// The program itself, behind the scripts by which some systems choose one.
  let path: String
  /// Where it finds modules, installed packages too.
  let modulePath: [String]
  /// What it reads: directories of its modules and libraries.
  let readable: [String]

  private static let question = """
    import os, sys
    assert sys.version_info >= (3, 8), "it is version " + sys.version.split()[0]
    places = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *sys.path]
    places += [os.path.dirname(sys.executable), os.path.dirname(os.path.realpath(sys.executable))]
    with open("/proc/self/maps") as maps:
        places += {os.path.dirname(line.split(None, 5)[5]) for line in maps if "/" in line}
    lists = [[sys.executable], sys.path, dict.fromkeys(places)]
    for paths in lists:
        sys.stdout.write("\\0".join(path for path in paths if path[:1] == "/") + "\\n\\0")
    """

  /// Finds `name` on the PATH and asks it for its parts; it is the user's program and is not contained.
  /// - Throws: `SandboxError.noPython`, `.brokenPython`; `SandboxFailure` if the machine cannot start a program.
  init(named name: String = "python3") throws {
    let (code, output, errors) = try Self.answer([name, "-s", "-B", "-c", Self.question])
    guard code != ENOENT else { throw SandboxError.noPython }
    // A path may hold a line's end, and then is of no use here.
    let lists = output.split(separator: "\n\0", omittingEmptySubsequences: false).map {
      $0.split(separator: "\0").map(String.init)
    }
    guard code == 0, lists.count == 4, lists[0].count == 1 else {
      let reason = errors.split(whereSeparator: \.isNewline).last.map(String.init)
      throw SandboxError.brokenPython(name, reason: reason ?? "it does not answer")
    }
    (path, modulePath) = (lists[0][0], lists[1])
    let libraries = getenv("LD_LIBRARY_PATH").map { String(cString: $0) } ?? ""
    readable = lists[2] + libraries.split(separator: ":").map(String.init).filter { $0.hasPrefix("/") }
  }

  /// What a program wrote, and 0 if all went well, or why it did not start. It has 30 seconds.
  private static func answer(_ arguments: [String]) throws -> (code: Int32, output: String, errors: String) {
    // Files in memory, which do not block a writer that nobody reads.
    let files = (shoal_memory_create("output"), shoal_memory_create("errors"))
    defer { for file in [files.0, files.1] where file >= 0 { close(file) } }
    guard files.0 >= 0, files.1 >= 0 else { throw SandboxFailure("have a file in memory", code: errno) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, files.0, 1)
    posix_spawn_file_actions_adddup2(&actions, files.1, 2)
    var words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process: pid_t = 0
    let code = posix_spawnp(&process, arguments[0], &actions, nil, &words, environ)
    guard code == 0 else { return (code, "", String(cString: strerror(code))) }
    for _ in 0..<6000 where shoal_sandbox_has_ended(process) == 0 { usleep(5000) }
    var seconds = 0.0
    let status = shoal_sandbox_end(process, &seconds)
    return (status == 0 ? 0 : -1, text(files.0), text(files.1))
  }

  private static func text(_ file: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 1 << 18)
    let count = max(0, pread(file, &bytes, bytes.count, 0))
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
