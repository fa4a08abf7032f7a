// The MPI calls Shoal needs. mpi.h stays in mpi.c: Swift cannot import MPI's handles, which are macros.
//
// Every function returns a status (SHOAL_MPI_OK or what shoal_mpi_error_text explains); none prints,
// allocates or keeps a global. Collective and point-to-point calls only begin here: the caller polls
// shoal_mpi_test and sleeps in between, because MPI's own waiting spins.

#ifndef SHOAL_MPI_H
#define SHOAL_MPI_H

#include <stdint.h>

enum {
  SHOAL_MPI_OK = 0,
  SHOAL_MPI_NO_THREADS = -1,  // the library does not offer MPI_THREAD_MULTIPLE
};

enum { SHOAL_MPI_ANY_RANK = -1 };

/// A communicator, owned by the caller: made by a duplicate call, given back by shoal_mpi_comm_free.
typedef struct {
  uint64_t handle;
} shoal_mpi_comm;

/// An operation under way. Its buffers must stay in place until shoal_mpi_test says it is done.
typedef struct {
  uint64_t handle;
} shoal_mpi_request;

/// Starts MPI for calls from any thread, with errors returned instead of fatal.
int shoal_mpi_start(void);
/// Ends MPI; every rank calls it. Nothing here may be called afterwards.
int shoal_mpi_finish(void);
/// Ends every process of the world with `code`. Returns only when MPI could not do so.
int shoal_mpi_abort(int code);
/// Writes what `status` means as a terminated string of at most `capacity` bytes.
void shoal_mpi_error_text(int status, char *text, int64_t capacity);

/// A communicator of all ranks whose messages meet no other's. Collective.
int shoal_mpi_world_duplicate(shoal_mpi_comm *comm);
int shoal_mpi_comm_free(shoal_mpi_comm *comm);
int shoal_mpi_comm_rank(shoal_mpi_comm comm, int *rank, int *size);
/// This process's place among the ranks that share its memory. Collective.
int shoal_mpi_comm_node_rank(shoal_mpi_comm comm, int *rank, int *size);

int shoal_mpi_barrier_begin(shoal_mpi_comm comm, shoal_mpi_request *request);
int shoal_mpi_broadcast_begin(
    void *bytes, int count, int root, shoal_mpi_comm comm, shoal_mpi_request *request);
/// In-place sum of `count` 64-bit integers over all ranks: exact, so free of any order.
int shoal_mpi_sum_begin(
    int64_t *values, int count, shoal_mpi_comm comm, shoal_mpi_request *request);
/// In-place bitwise OR over all ranks.
int shoal_mpi_or_begin(
    uint64_t *flags, int count, shoal_mpi_comm comm, shoal_mpi_request *request);
/// One number of every rank to all: all[k] is rank k's.
int shoal_mpi_gather_counts_begin(
    const int64_t *mine, int64_t *all, shoal_mpi_comm comm, shoal_mpi_request *request);
/// counts[k] bytes of every rank k to all, at all + offsets[k].
int shoal_mpi_gather_bytes_begin(
    const void *mine, int count, void *all, const int *counts, const int *offsets,
    shoal_mpi_comm comm, shoal_mpi_request *request);

int shoal_mpi_send_begin(
    const void *bytes, int count, int to, int tag, shoal_mpi_comm comm,
    shoal_mpi_request *request);
/// Whether a message from `from` (or SHOAL_MPI_ANY_RANK) waits; if so its sender, tag and bytes.
int shoal_mpi_probe(
    int from, shoal_mpi_comm comm, int *found, int *source, int *tag, int *count);
int shoal_mpi_receive_begin(
    void *bytes, int count, int from, int tag, shoal_mpi_comm comm, shoal_mpi_request *request);

/// Lets MPI work on and says whether `request` is done; a request that is done may be tested again.
int shoal_mpi_test(shoal_mpi_request *request, int *done);

#endif
