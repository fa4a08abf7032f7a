// What the caller can mend is told apart from what the machine did: the one fact an exit code needs.

/// An error that the caller can mend: arguments, configuration, data or model files.
///
/// `shoal` ends with exit code 64 for these and with 1 for every other error. The description answers
/// where, what was expected, what was found and what to do.
package protocol UserError: Error, CustomStringConvertible {}
