// SPDX-License-Identifier: GPL-2.0-or-later
//
// ring: one message goes round all MPI ranks for as long as they live. Each rank adds one to its
// count, goes one step on in a chain of hashes, and fills it anew with bytes that follow from the
// hash, every one of which the next rank compares with what it must be. A message that is lost,
// comes twice, is damaged or is of another time than the rank that gets it ends the program, and
// says so. Rank 0 prints count and hash of each round, so that whoever knows the rule can check the
// whole output.
//
//     ring [ROUNDS]    forever, unless told otherwise
#include <inttypes.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { words = 1024 };  // 8 KiB of a message follow from its hash

struct message {
    uint64_t count, hash, filling[words];
};

// FNV-1a, over the eight bytes of a count.
static uint64_t next_hash(uint64_t hash, uint64_t count) {
    for (int byte = 0; byte < 8; ++byte)
        hash = (hash ^ ((count >> (8 * byte)) & 0xff)) * UINT64_C(0x100000001b3);
    return hash;
}

static void fill(struct message* message) {
    uint64_t state = message->hash;
    for (int word = 0; word < words; ++word) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        message->filling[word] = state;
    }
}

static void broken(int rank, const char* what, const struct message* got,
                   const struct message* expected) {
    printf("rank %d: %s: count %" PRIu64 " hash %016" PRIx64 ", expected count %" PRIu64
           " hash %016" PRIx64 "\n",
           rank, what, got->count, got->hash, expected->count, expected->hash);
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

int main(int argc, char** argv) {
    static struct message got, expected;
    const uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_MAX;
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    fprintf(stderr, "rank %d of %d is on %s\n", rank, size, host);

    expected.hash = UINT64_C(0xcbf29ce484222325);
    for (uint64_t round = 0; round < rounds; ++round) {
        // In a round rank 0 sends first; each rank passes the message on with the next count.
        for (int hop = 0; hop < size; ++hop) {
            expected.hash = next_hash(expected.hash, ++expected.count);
            const int from = hop, to = (hop + 1) % size;
            if (rank != from && rank != to) continue;
            fill(&expected);
            if (rank == from) MPI_Send(&expected, sizeof expected, MPI_BYTE, to, 0, MPI_COMM_WORLD);
            if (rank != to) continue;
            MPI_Recv(&got, sizeof got, MPI_BYTE, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            if (got.count != expected.count || got.hash != expected.hash)
                broken(rank, "not the next message", &got, &expected);
            for (int word = 0; word < words; ++word)
                if (got.filling[word] != expected.filling[word])
                    broken(rank, "a damaged message", &got, &expected);
        }
        if (rank == 0) {
            printf("%" PRIu64 " %016" PRIx64 "\n", expected.count, expected.hash);
            fflush(stdout);
        }
    }
    MPI_Finalize();
    return 0;
}
