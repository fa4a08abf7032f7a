// System calls that a signal may interrupt, as it does on network file systems, are made again.

import Glibc

/// Makes a call again as long as a signal interrupts it.
package func uninterrupted<Number: SignedInteger>(_ call: () -> Number) -> Number {
  while true {
    let result = call()
    guard result < 0, errno == EINTR else { return result }
  }
}
