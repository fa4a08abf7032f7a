// The prompt of type alpaca: Stanford Alpaca's, as axolotl writes it.

enum AlpacaPrompt {
  private static let task = "Below is an instruction that describes a task"
  private static let request = "Write a response that appropriately completes the request."

  /// The prompt in parts, each with a flag that says whether it is the record's own text.
  static func parts(instruction: String, input: String) -> [(text: String, isContent: Bool)] {
    let context = input.isEmpty ? "" : ", paired with an input that provides further context"
    let head = "\(task)\(context). \(request)\n\n### Instruction:\n"
    let middle = input.isEmpty ? [] : [("\n\n### Input:\n", false), (input, true)]
    return [(head, false), (instruction, true)] + middle + [("\n\n### Response:\n", false)]
  }
}
