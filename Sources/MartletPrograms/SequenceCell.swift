// What a character model carries its past in, by name.

import MartletExecution
import MartletNN

/// The body of a character model: a recurrent layer, or the blocks of a transformer.
package enum SequenceCell: String, CaseIterable, Hashable, Sendable {
  case lstm, gru, rnn, transformer

  /// A recurrent layer over inputs of a size; an LSTM for what is none.
  package func layer(_ inputs: Int, _ hidden: Int) -> any RecurrentLayer {
    switch self {
    case .lstm, .transformer: LSTM(inputs, hidden)
    case .gru: GRU(inputs, hidden)
    case .rnn: SimpleRNN(inputs, hidden)
    }
  }

  /// Layers one upon the other, with dropout between them.
  package func stack(
    _ inputs: Int, _ hidden: Int, layers: Int, dropout: Double
  ) -> StackedRecurrent {
    StackedRecurrent(
      (0..<layers).map { layer($0 == 0 ? inputs : hidden, hidden) }, dropout: dropout)
  }
}
