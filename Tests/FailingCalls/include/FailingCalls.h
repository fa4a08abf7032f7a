// A library for LD_PRELOAD that lets one of a program's file calls go wrong. It counts the calls on paths below a
// directory and does to the nth what the environment says:
//
//   FAILING_CALLS_UNDER   the directory; without it every call passes
//   FAILING_CALLS_GROUP   writes (default): what changes files or makes them durable; reads: what only looks at them
//   FAILING_CALLS_AT      n, counted from 1; 0: none fails, all are counted
//   FAILING_CALLS_MODE    once     the nth call fails
//                         onwards  it and all later ones fail; with ENOSPC or EDQUOT those that need room
//                         late     the nth call is done, and then said to have failed
//                         short    the nth call, if it writes or reads, does half
//                         torn     as short, and then there is no room any more
//                         kill     the process dies in place of the nth call
//   FAILING_CALLS_ERROR   the errno, as a number
//   FAILING_CALLS_LOG     a file outside that directory: a line per counted call, "! " before those that were spoilt
