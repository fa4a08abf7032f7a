// A process that holds one program, and the ends of its pipes.

internal import CShoal
import Glibc

/// A started process. `end` must be called, on the thread that started it.
struct ContainedProcess {
  /// A step of the start that the kernel refused.
  struct Refusal: Error {
    let step: String
    let code: Int32
    var text: String { "cannot \(step): \(String(cString: strerror(code)))" }
  }

  let number: Int32
  /// The ends of the report, the output and the errors that this process reads.
  let pipes: [Int32]
  let hasDisk: Bool
  let isBlind: Bool

  /// Starts Python with the harness.
  /// - Throws: `Refusal`; `SandboxFailure` if this process lacks descriptors or memory.
  init(
    _ python: PythonInterpreter, input: [UInt8], directory: String, limits: ProgramLimits, layers: ContainmentLayers
  ) throws {
    var descriptors: [Int32] = []
    var failure: Int32 = 0
    // The C part puts them to 0 to 4, so they must not be among these.
    func take(_ descriptor: Int32) {
      let raised = descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 16)
      if raised < 0 { failure = errno }
      if descriptor >= 0 { close(descriptor) }
      if raised >= 0 { descriptors.append(raised) }
    }
    take(input.withUnsafeBytes { shoal_sandbox_sealed_file($0.baseAddress, Int64($0.count)) })
    for _ in 0..<3 {
      var ends: [Int32] = [-1, -1]
      if shoal_sandbox_pipe(&ends) < 0 { failure = errno }
      for end in ends { take(end) }
    }
    guard failure == 0, descriptors.count == 7 else {
      for descriptor in descriptors { close(descriptor) }
      throw SandboxFailure("have pipes for a program", code: failure)
    }
    pipes = [1, 3, 5].map { descriptors[$0] }
    var sandbox = shoal_sandbox()
    (sandbox.input, sandbox.report) = (descriptors[0], descriptors[2])
    (sandbox.output, sandbox.errors) = (descriptors[4], descriptors[6])
    Self.set(limits, in: &sandbox)
    sandbox.layers = layers.rawValue
    let result = Self.start(&sandbox, python, directory)
    for place in [0, 2, 4, 6] { close(descriptors[place]) }
    (number, hasDisk, isBlind) = (sandbox.process, sandbox.has_disk != 0, sandbox.is_blind != 0)
    guard result == 0 else {
      for pipe in pipes { close(pipe) }
      throw Refusal(step: sandbox.failed_step.map { String(cString: $0) } ?? "start", code: sandbox.error)
    }
  }

  private static func set(_ limits: ProgramLimits, in sandbox: inout shoal_sandbox) {
    sandbox.cpu_seconds = Int64(limits.processorSeconds)
    sandbox.memory_bytes = Int64(limits.memoryBytes)
    sandbox.file_bytes = Int64(limits.fileBytes)
    sandbox.open_files = Int64(limits.openFiles)
    sandbox.disk_bytes = Int64(limits.diskBytes)
    sandbox.disk_files = Int64(limits.files)
  }

  /// What any program may read: the system, without its devices but the harmless ones.
  private static let system = [
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/nix/store", "/gnu/store", "/sys/devices/system/cpu",
    "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
  ]

  private static func start(
    _ sandbox: inout shoal_sandbox, _ python: PythonInterpreter, _ directory: String
  ) -> Int32 {
    // Not -I, which leaves the order of sets to chance: it does not read PYTHONHASHSEED. This environment holds nothing
    // else that -I keeps away. -S saves most of the start, which users' own .pth files can make long.
    let arguments = [python.path, "-s", "-S", "-B", "-c", PythonHarness.text] + python.modulePath
    var environment = [
      "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "HOME=\(directory)", "TMPDIR=\(directory)", "PYTHONHASHSEED=0",
      "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1",
    ]
    // Without these some clusters' Python does not start.
    for name in ["LD_LIBRARY_PATH", "PYTHONHOME"] {
      if let value = getenv(name) { environment.append("\(name)=\(String(cString: value))") }
    }
    return withWords(arguments) { arguments in
      withWords(environment) { environment in
        withWords(system + python.readable) { readable in
          directory.withCString { directory in
            (sandbox.arguments, sandbox.environment, sandbox.readable) = (arguments, environment, readable)
            sandbox.directory = directory
            return shoal_sandbox_start(&sandbox)
          }
        }
      }
    }
  }

  private static func withWords<Result>(
    _ words: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
  ) -> Result {
    let copies = words.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return (copies.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { body($0.baseAddress) }
  }

  var hasEnded: Bool { shoal_sandbox_has_ended(number) != 0 }

  /// Threads of the process; nil if the system does not say.
  var threads: Int? {
    var bytes = [UInt8](repeating: 0, count: 1024)
    let file = open("/proc/\(number)/stat", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    let text = String(decoding: bytes[..<max(0, read(file, &bytes, bytes.count))], as: UTF8.self)
    // The name, in parentheses, may hold anything; 18 fields after it.
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[end...].split(separator: " ")
    return fields.count > 18 ? Int(fields[18]) : nil
  }

  /// Kills it and closes the pipes. The status is as `wait` gives it; -1 if another part of this process took it.
  func end() -> (status: Int32, processorSeconds: Double) {
    var seconds = 0.0
    let status = shoal_sandbox_end(number, &seconds)
    for pipe in pipes { close(pipe) }
    return (status, seconds)
  }
}
