// A library for LD_PRELOAD that makes one of a program's file calls fail. It counts the calls on paths below a
// directory and treats the nth call as the environment says:
//
//   FAILING_CALLS_UNDER   the directory; without it every call passes
//   FAILING_CALLS_GROUP   writes (default): calls that change files or make them durable; reads: calls that only read
//   FAILING_CALLS_AT      n, counted from 1; 0: all calls are counted and pass
//   FAILING_CALLS_MODE    once     the nth call fails
//                         onwards  it and all later calls fail; with ENOSPC or EDQUOT only those that need room
//                         late     the nth call is done, but reports a failure
//                         short    the nth call, if it writes or reads, does half
//                         torn     as short, and then the disk is full
//                         kill     the process dies instead of the nth call
//   FAILING_CALLS_ERROR   the errno, as a number
//   FAILING_CALLS_APART   if set, processes get no memory that they could share
//   FAILING_CALLS_LOG     a file outside that directory: one line per counted call, with "! " before calls that failed
