import Corpus
import Model
import TestSupport
import Testing
import Training

@Suite struct ForecastTests {
  @Test func `work is dispatched in order to the rank that is free first`() {
    #expect(Forecast.span([[4], [3], [2], [1]], ranks: 1) == 10)
    // 4 | 3 2 1 on two equal ranks: the second is free at 3, the first at 4.
    #expect(Forecast.span([[4, 4], [3, 3], [2, 2], [1, 1]], ranks: 2) == 5)
    // A rank with a third of the speed takes one of four items.
    #expect(Forecast.span([[1, 3], [1, 3], [1, 3], [1, 3]], ranks: 2) == 3)
    #expect(Forecast.span([], ranks: 3) == 0)
  }

  @Test func `recomputed layers cost a forward pass without its last product`() throws {
    let layout = PolicyLayout(try TinyFixture("all").adapter.required("adapter").layout)
    let c = layout.configuration
    let tree = ExampleTree(index: 0, prompt: [1, 2, 3, 4, 5], completions: [[1, 2], [3]])
    let kept = FlopCount.training(tree, layout)
    let again = FlopCount.training(tree, layout, recomputedLayers: 1)
    let d = Double(c.hiddenSize)
    let perRow =
      2 * d * Double(2 * c.queryWidth + 2 * c.keyValueWidth) + 4 * d * Double(c.feedForwardSize)
    #expect(again.linears - kept.linears == 8 * perRow)
    // 5 prompt rows attend to 1 … 5 keys; completions attend to the prompt and themselves.
    #expect(again.attention - kept.attention == 4 * Double(c.queryWidth) * (15 + 6 + 7 + 6))
    #expect(again.head == kept.head)
  }
}
