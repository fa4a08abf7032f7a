// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

// The program carries Swift's runtime, so that it runs where there is no Swift. The target says so, and not a flag of
// `swift build`: tests are linked to the shared runtime, of the same objects.
let carriesRuntime = ["-static-stdlib"]

// Arrows point down only: every target names all it imports (see docs/architecture.md).
let package = Package(
  name: "shoal",
  // Preloaded by tests alone.
  products: [.library(name: "FailingCalls", type: .dynamic, targets: ["FailingCalls"])],
  dependencies: [
    // Exact, so that every clone builds the same code; it depends on no other package.
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
  ],
  targets: [
    .systemLibrary(
      name: "CSystem", pkgConfig: "ompi-c openblas",
      providers: [.apt(["libopenmpi-dev", "libopenblas-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CSnappy", pkgConfig: "snappy", providers: [.apt(["libsnappy-dev"])]),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CBrotli", pkgConfig: "libbrotlidec", providers: [.apt(["libbrotli-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .target(name: "CShoal", dependencies: ["CSystem"]),
    .target(name: "Tensors", dependencies: ["CShoal"], swiftSettings: strict),
    .target(name: "Checkpoints", dependencies: ["CCrypto", "CYAML", "Tensors"], swiftSettings: strict),
    .target(
      name: "Parquet", dependencies: ["CBrotli", "CLZ4", "CSnappy", "CZlib", "CZstd", "Tensors", "Checkpoints"],
      swiftSettings: strict),
    .target(name: "Hub", dependencies: ["Tensors", "Checkpoints"], swiftSettings: strict),
    .target(name: "Collectives", dependencies: ["CShoal", "Tensors"], swiftSettings: strict),
    .target(name: "Patterns", swiftSettings: strict),
    .target(name: "Jinja", dependencies: ["Tensors", "Checkpoints", "Patterns"], swiftSettings: strict),
    .target(
      name: "Corpus", dependencies: ["CZlib", "CZstd", "Tensors", "Checkpoints", "Jinja", "Parquet", "Patterns"],
      resources: ["chatml", "qwen", "qwen_25", "qwen3"].map { .embedInCode("Templates/\($0).jinja") },
      swiftSettings: strict),
    .target(
      name: "Model", dependencies: ["Tensors", "Checkpoints", "Corpus", "Patterns"], swiftSettings: strict),
    .target(
      name: "Runtime", dependencies: ["Tensors", "Checkpoints", "Collectives", "Corpus", "Model"],
      swiftSettings: strict),
    .target(
      name: "Training",
      dependencies: [
        "Tensors", "Checkpoints", "Collectives", "Corpus", "Model", "Runtime", "TextMetrics", "Evaluation",
      ], swiftSettings: strict),
    .target(
      name: "TextMetrics", dependencies: ["Tensors", "Checkpoints", "Corpus", "Patterns"], swiftSettings: strict),
    .target(
      name: "Evaluation",
      dependencies: [
        "CShoal", "Tensors", "Checkpoints", "Corpus", "Jinja", "Model", "Patterns", "Runtime", "TextMetrics",
      ],
      swiftSettings: strict),
    .target(
      name: "Preparation", dependencies: ["Tensors", "Checkpoints", "Corpus"],
      // A link to configs/prompts: the program carries the prompts that people read there.
      resources: [.embedInCode("Prompts/teacher.txt"), .embedInCode("Prompts/summarize.txt")],
      swiftSettings: strict),
    .executableTarget(
      name: "shoal",
      dependencies: [
        "Tensors", "Checkpoints", "Collectives", "Corpus", "Hub", "Model", "Runtime", "Training", "Evaluation",
        "TextMetrics", "Preparation",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict + [.unsafeFlags(carriesRuntime)],
      // lld: GNU gold, the default, warns at every link of a call inside Foundation.
      linkerSettings: [.unsafeFlags(carriesRuntime + ["-use-ld=lld"])]),

    .target(name: "KernelChecks", dependencies: ["CShoal"], path: "Tests/KernelChecks", exclude: ["main.c"]),
    .target(
      name: "TestSupport", dependencies: ["Tensors", "Checkpoints", "Corpus", "Model"],
      path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "TensorsTests", dependencies: ["Tensors", "Checkpoints", "CShoal", "KernelChecks", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "CheckpointsTests", dependencies: ["Checkpoints", "Tensors", "TestSupport"],
      swiftSettings: strict),
    .testTarget(name: "HubTests", dependencies: ["Hub", "Checkpoints", "TestSupport"], swiftSettings: strict),
    .executableTarget(
      name: "parquet-rows", dependencies: ["Parquet", "Checkpoints", "Tensors"], path: "Tests/ParquetRows",
      swiftSettings: strict),
    .executableTarget(
      name: "template-texts", dependencies: ["Jinja", "Checkpoints"], path: "Tests/TemplateTexts",
      swiftSettings: strict),
    .testTarget(
      name: "ParquetTests", dependencies: ["Parquet", "Checkpoints", "Tensors", "TestSupport"],
      swiftSettings: strict),
    .executableTarget(
      name: "collectives-probe", dependencies: ["Collectives", "Tensors"],
      path: "Tests/CollectivesProbe", swiftSettings: strict),
    .testTarget(
      name: "CollectivesTests",
      dependencies: ["Collectives", "Tensors", "collectives-probe", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "PatternsTests", dependencies: ["Patterns", "Checkpoints", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "JinjaTests", dependencies: ["Jinja", "Checkpoints", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "CorpusTests", dependencies: ["Corpus", "Checkpoints", "Jinja", "Patterns", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "ModelTests", dependencies: ["Model", "Tensors", "Checkpoints", "Corpus", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "TrainingTests",
      dependencies: ["Training", "Model", "Corpus", "Collectives", "Checkpoints", "Runtime", "Tensors", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "RuntimeTests",
      dependencies: ["Runtime", "Model", "Corpus", "Collectives", "Checkpoints", "Tensors", "TestSupport"],
      swiftSettings: strict),
    .executableTarget(
      name: "text-scores", dependencies: ["TextMetrics", "Checkpoints", "Tensors"], path: "Tests/TextScores",
      swiftSettings: strict),
    .testTarget(
      name: "TextMetricsTests",
      dependencies: ["TextMetrics", "Checkpoints", "Corpus", "Tensors", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "EvaluationTests",
      dependencies: [
        "Evaluation", "Checkpoints", "Corpus", "Jinja", "Model", "Runtime", "Tensors", "TextMetrics", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "PreparationTests",
      dependencies: ["Preparation", "Checkpoints", "Corpus", "Tensors", "TestSupport"],
      swiftSettings: strict),
    .testTarget(name: "ArchitectureTests", dependencies: ["TestSupport"], swiftSettings: strict),
    .target(name: "FailingCalls", path: "Tests/FailingCalls"),
    // Starts shoal and does not depend on it: the tests' program cannot have two runtimes.
    .testTarget(name: "EndToEndTests", dependencies: ["Checkpoints", "Tensors", "TestSupport"], swiftSettings: strict),
  ]
)

// `make fuzz` alone builds this: it needs libFuzzer and the address sanitizer in every Swift target.
if Context.environment["SHOAL_FUZZ"] != nil {
  package.targets += [
    .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "CFuzzer", "Checkpoints", "Corpus", "Evaluation", "Hub", "Jinja", "Model", "Parquet", "Patterns", "Preparation",
        "Runtime", "Tensors", "TestSupport", "TextMetrics", "Training",
      ],
      path: "Tests/Fuzz", exclude: ["CFuzzer", "Corpus", "run.sh", "seeds.py"], swiftSettings: strict),
  ]
}
