// Separates errors that the user can fix from the machine's failures, because the exit codes differ.

/// An error that the user can fix: in arguments, configuration, data or model files.
///
/// `shoal` ends with exit code 64 for these errors and with 1 for all others. The description says where the error is,
/// what was expected, what was found and what to do.
package protocol UserError: Error, CustomStringConvertible {}
