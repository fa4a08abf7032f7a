// The MPI calls that Shoal needs. Only mpi.c includes mpi.h: Swift cannot import MPI's handles, which are macros.
//
// Every function returns a status (SHOAL_MPI_OK, or a code for shoal_mpi_error_text), and does not print, allocate or
// keep global state. Collective and point-to-point calls only begin here: the caller polls shoal_mpi_test and sleeps in
// between, because MPI's own waiting spins.

#ifndef SHOAL_MPI_H
#define SHOAL_MPI_H

#include <stdint.h>

enum {
  SHOAL_MPI_OK = 0,
  SHOAL_MPI_NO_THREADS = -1,  // the library does not offer MPI_THREAD_MULTIPLE
};

enum { SHOAL_MPI_ANY_RANK = -1 };

/// A communicator, owned by the caller: a duplicate call makes it, shoal_mpi_comm_free releases it.
typedef struct {
  uint64_t handle;
} shoal_mpi_comm;

/// An operation in progress. Its buffers must stay in place until shoal_mpi_test says that it is done.
typedef struct {
  uint64_t handle;
} shoal_mpi_request;

/// Starts MPI for calls from any thread; errors are returned, not fatal.
int shoal_mpi_start(void);
/// Ends MPI; every rank calls it. No function here may be called afterwards.
int shoal_mpi_finish(void);
/// Ends every process of the world with `code`. Returns only if MPI failed to do so.
int shoal_mpi_abort(int code);
/// Writes the meaning of `status` as a terminated string of at most `capacity` bytes.
void shoal_mpi_error_text(int status, char *text, int64_t capacity);

/// Makes a communicator of all ranks, with messages separate from those of other communicators. Collective.
int shoal_mpi_world_duplicate(shoal_mpi_comm *comm);
int shoal_mpi_comm_free(shoal_mpi_comm *comm);
int shoal_mpi_comm_rank(shoal_mpi_comm comm, int *rank, int *size);
/// This process's rank among the ranks that share its memory. Collective.
int shoal_mpi_comm_node_rank(shoal_mpi_comm comm, int *rank, int *size, int *leader);
// The first rank of every rank's node, from that of this rank's, and a communicator of these first ranks, on them.
int shoal_mpi_comm_leaders(shoal_mpi_comm comm, int leader, int *leaders, shoal_mpi_comm *among);

int shoal_mpi_barrier_begin(shoal_mpi_comm comm, shoal_mpi_request *request);
int shoal_mpi_broadcast_begin(
    void *bytes, int count, int root, shoal_mpi_comm comm, shoal_mpi_request *request);
/// In-place sum of `count` 64-bit integers over all ranks: exact, so the order does not matter.
int shoal_mpi_sum_begin(
    int64_t *values, int count, shoal_mpi_comm comm, shoal_mpi_request *request);
/// The same for rank `root` alone. `is_root` says whether this is it; its numbers are replaced by the sums.
int shoal_mpi_sum_to_begin(int64_t *values, int count, int root, int is_root, shoal_mpi_comm comm,
                           shoal_mpi_request *request);
/// In-place bitwise OR over all ranks.
int shoal_mpi_or_begin(
    uint64_t *flags, int count, shoal_mpi_comm comm, shoal_mpi_request *request);
/// Sends one number of every rank to all ranks: all[k] is rank k's number.
int shoal_mpi_gather_counts_begin(
    const int64_t *mine, int64_t *all, shoal_mpi_comm comm, shoal_mpi_request *request);
/// Sends counts[k] bytes of every rank k to all ranks, at all + offsets[k].
int shoal_mpi_gather_bytes_begin(
    const void *mine, int count, void *all, const int *counts, const int *offsets,
    shoal_mpi_comm comm, shoal_mpi_request *request);

int shoal_mpi_send_begin(
    const void *bytes, int count, int to, int tag, shoal_mpi_comm comm,
    shoal_mpi_request *request);
/// Checks for a message from `from` (or SHOAL_MPI_ANY_RANK); if found, gives its sender, tag and bytes.
int shoal_mpi_probe(
    int from, shoal_mpi_comm comm, int *found, int *source, int *tag, int *count);
int shoal_mpi_receive_begin(
    void *bytes, int count, int from, int tag, shoal_mpi_comm comm, shoal_mpi_request *request);

/// Lets MPI make progress and says whether `request` is done. A finished request may be tested again.
int shoal_mpi_test(shoal_mpi_request *request, int *done);

#endif
