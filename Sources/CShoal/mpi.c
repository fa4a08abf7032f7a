// Implements shoal_mpi.h. Open MPI's handles are pointers and MPICH's are ints; both are passed in 64 bits.

#include "shoal_mpi.h"

#include <mpi.h>
#include <string.h>

_Static_assert(sizeof(MPI_Comm) <= sizeof(uint64_t), "a communicator handle fits 64 bits");
_Static_assert(sizeof(MPI_Request) <= sizeof(uint64_t), "a request handle fits 64 bits");
_Static_assert(MPI_SUCCESS == SHOAL_MPI_OK, "success is 0");

static MPI_Comm comm_of(shoal_mpi_comm comm) {
  MPI_Comm handle;
  memcpy(&handle, &comm.handle, sizeof handle);
  return handle;
}

static void keep_comm(MPI_Comm handle, shoal_mpi_comm *comm) {
  comm->handle = 0;
  memcpy(&comm->handle, &handle, sizeof handle);
}

// Stores the handle that a begin call made and returns the call's status.
static int keep_request(int status, MPI_Request handle, shoal_mpi_request *request) {
  request->handle = 0;
  memcpy(&request->handle, &handle, sizeof handle);
  return status;
}

int shoal_mpi_start(void) {
  int provided = MPI_THREAD_SINGLE;
  int status = MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
  if (status != MPI_SUCCESS) return status;
  // Duplicated communicators inherit this error handler.
  status = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (status != MPI_SUCCESS) return status;
  status = MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  if (status != MPI_SUCCESS) return status;
  return provided < MPI_THREAD_MULTIPLE ? SHOAL_MPI_NO_THREADS : SHOAL_MPI_OK;
}

int shoal_mpi_finish(void) { return MPI_Finalize(); }

int shoal_mpi_abort(int code) { return MPI_Abort(MPI_COMM_WORLD, code); }

void shoal_mpi_error_text(int status, char *text, int64_t capacity) {
  if (capacity <= 0) return;
  char full[MPI_MAX_ERROR_STRING] = "unknown MPI error";
  if (status == SHOAL_MPI_NO_THREADS) {
    strcpy(full, "this MPI library does not offer MPI_THREAD_MULTIPLE");
  } else {
    int length = 0;
    MPI_Error_string(status, full, &length);
  }
  strncpy(text, full, (size_t)capacity - 1);
  text[capacity - 1] = 0;
}

int shoal_mpi_world_duplicate(shoal_mpi_comm *comm) {
  MPI_Comm handle = MPI_COMM_NULL;
  int status = MPI_Comm_dup(MPI_COMM_WORLD, &handle);
  keep_comm(handle, comm);
  return status;
}

int shoal_mpi_comm_free(shoal_mpi_comm *comm) {
  MPI_Comm handle = comm_of(*comm);
  int status = MPI_Comm_free(&handle);
  keep_comm(handle, comm);
  return status;
}

int shoal_mpi_comm_rank(shoal_mpi_comm comm, int *rank, int *size) {
  int status = MPI_Comm_rank(comm_of(comm), rank);
  return status != MPI_SUCCESS ? status : MPI_Comm_size(comm_of(comm), size);
}

int shoal_mpi_comm_node_rank(shoal_mpi_comm comm, int *rank, int *size, int *leader) {
  MPI_Comm node = MPI_COMM_NULL;
  int status = MPI_Comm_split_type(comm_of(comm), MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  if (status != MPI_SUCCESS) return status;
  status = MPI_Comm_rank(node, rank);
  if (status == MPI_SUCCESS) status = MPI_Comm_size(node, size);
  if (status == MPI_SUCCESS) status = MPI_Comm_rank(comm_of(comm), leader);
  if (status == MPI_SUCCESS) status = MPI_Bcast(leader, 1, MPI_INT, 0, node);
  int freed = MPI_Comm_free(&node);
  return status != MPI_SUCCESS ? status : freed;
}

int shoal_mpi_comm_leaders(shoal_mpi_comm comm, int leader, int *leaders, shoal_mpi_comm *among) {
  int rank = 0;
  int status = MPI_Comm_rank(comm_of(comm), &rank);
  if (status != MPI_SUCCESS) return status;
  status = MPI_Allgather(&leader, 1, MPI_INT, leaders, 1, MPI_INT, comm_of(comm));
  if (status != MPI_SUCCESS) return status;
  MPI_Comm handle = MPI_COMM_NULL;
  status = MPI_Comm_split(comm_of(comm), rank == leader ? 0 : MPI_UNDEFINED, rank, &handle);
  keep_comm(handle, among);
  return status;
}

int shoal_mpi_barrier_begin(shoal_mpi_comm comm, shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  return keep_request(MPI_Ibarrier(comm_of(comm), &handle), handle, request);
}

int shoal_mpi_broadcast_begin(
    void *bytes, int count, int root, shoal_mpi_comm comm, shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  int status = MPI_Ibcast(bytes, count, MPI_BYTE, root, comm_of(comm), &handle);
  return keep_request(status, handle, request);
}

int shoal_mpi_sum_begin(
    int64_t *values, int count, shoal_mpi_comm comm, shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  int status =
      MPI_Iallreduce(MPI_IN_PLACE, values, count, MPI_INT64_T, MPI_SUM, comm_of(comm), &handle);
  return keep_request(status, handle, request);
}

int shoal_mpi_sum_to_begin(int64_t *values, int count, int root, int is_root, shoal_mpi_comm comm,
                           shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  int status = MPI_Ireduce(is_root ? MPI_IN_PLACE : values, is_root ? values : NULL, count, MPI_INT64_T, MPI_SUM, root,
                           comm_of(comm), &handle);
  return keep_request(status, handle, request);
}

int shoal_mpi_or_begin(
    uint64_t *flags, int count, shoal_mpi_comm comm, shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  int status =
      MPI_Iallreduce(MPI_IN_PLACE, flags, count, MPI_UINT64_T, MPI_BOR, comm_of(comm), &handle);
  return keep_request(status, handle, request);
}

int shoal_mpi_gather_counts_begin(
    const int64_t *mine, int64_t *all, shoal_mpi_comm comm, shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  int status =
      MPI_Iallgather(mine, 1, MPI_INT64_T, all, 1, MPI_INT64_T, comm_of(comm), &handle);
  return keep_request(status, handle, request);
}

int shoal_mpi_gather_bytes_begin(
    const void *mine, int count, void *all, const int *counts, const int *offsets,
    shoal_mpi_comm comm, shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  int status = MPI_Iallgatherv(
      mine, count, MPI_BYTE, all, counts, offsets, MPI_BYTE, comm_of(comm), &handle);
  return keep_request(status, handle, request);
}

int shoal_mpi_send_begin(
    const void *bytes, int count, int to, int tag, shoal_mpi_comm comm,
    shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  int status = MPI_Isend(bytes, count, MPI_BYTE, to, tag, comm_of(comm), &handle);
  return keep_request(status, handle, request);
}

int shoal_mpi_probe(
    int from, shoal_mpi_comm comm, int *found, int *source, int *tag, int *count) {
  MPI_Status envelope;
  int rank = from == SHOAL_MPI_ANY_RANK ? MPI_ANY_SOURCE : from;
  int status = MPI_Iprobe(rank, MPI_ANY_TAG, comm_of(comm), found, &envelope);
  if (status != MPI_SUCCESS || !*found) return status;
  *source = envelope.MPI_SOURCE;
  *tag = envelope.MPI_TAG;
  return MPI_Get_count(&envelope, MPI_BYTE, count);
}

int shoal_mpi_receive_begin(
    void *bytes, int count, int from, int tag, shoal_mpi_comm comm, shoal_mpi_request *request) {
  MPI_Request handle = MPI_REQUEST_NULL;
  int status = MPI_Irecv(bytes, count, MPI_BYTE, from, tag, comm_of(comm), &handle);
  return keep_request(status, handle, request);
}

int shoal_mpi_test(shoal_mpi_request *request, int *done) {
  MPI_Request handle;
  memcpy(&handle, &request->handle, sizeof handle);
  return keep_request(MPI_Test(&handle, done, MPI_STATUS_IGNORE), handle, request);
}
