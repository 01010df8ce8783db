// SPDX-License-Identifier: Apache-2.0
#include "emulator.hpp"

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

#include "fiber.hpp"

namespace enlarge::cuda {
namespace emu {
namespace {

constexpr std::size_t kStackBytes = 128 * 1024;
constexpr std::size_t kSharedLimit = 227 * 1024;
constexpr std::size_t kGuardBytes = 256;
constexpr smem_t kSharedBase = 1024;  // shared memory begins here, so that address 0 is never valid

// Threads of a group meet here; the last one to arrive does the work for all.
struct Meeting {
    int arrived = 0;
    unsigned generation = 0;
    int op = 0;
    void* argument[128] = {};
};

struct Counter {
    int arrived = 0;
    unsigned generation = 0;
};

struct TransactionBarrier {
    int arrivals = 0, pending = 0;
    std::int64_t bytes = 0;
    unsigned phase = 0;
    void settle() {
        if (pending == 0 && bytes == 0) {
            phase ^= 1;
            pending = arrivals;
        }
    }
};

using Action = std::function<void()>;

struct PendingCopy {
    smem_t to;
    uint4 value;
};

struct Thread {
    Fiber fiber;
    std::unique_ptr<char, void (*)(void*)> stack{nullptr, std::free};
    bool done = true;
    std::vector<PendingCopy> open;
    std::deque<std::vector<PendingCopy>> groups;
};

// All state of one launch. One per host thread, so that several launches may run at once.
struct Machine {
    Launch launch;
    Report report;
    std::function<void()> body;
    std::vector<Thread> threads;
    Fiber scheduler;
    int current = 0, block = 0;
    std::int64_t progress = 0;
    std::vector<unsigned char> memory;
    unsigned char* shared = nullptr;
    Meeting warp[64], warpgroup[16];
    Counter barrier[16];
    std::map<smem_t, TransactionBarrier> transaction;
    std::deque<Action> copies;                  // TMA loads
    std::vector<std::pair<int, Action>> stores; // TMA stores not yet read, with the thread that waits for them
    std::vector<Action> products[16];           // wgmma of a warpgroup
    std::map<void*, int> sites;
    std::uint64_t random = 1;

    std::uint32_t next_random() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return static_cast<std::uint32_t>(random >> 20);
    }
    void yield() { switch_fiber(threads[static_cast<std::size_t>(current)].fiber, scheduler); }
    // Ends the launch: this thread never runs again.
    [[noreturn]] void fail(const std::string& what) {
        if (report.error.empty())
            report.error = "block " + std::to_string(block) + " thread " + std::to_string(current) + ": " + what;
        for (;;) yield();
    }
    // Whether this call of a primitive is the one that shall be left out.
    bool skipped(Fault fault, void* site) {
        if (launch.fault != fault) return false;
        const int number = sites.emplace(site, static_cast<int>(sites.size())).first->second;
        report.sites = static_cast<int>(sites.size());
        return number == launch.fault_site;
    }
    unsigned char* at(smem_t a, std::size_t bytes) {
        if (a < kSharedBase || a - kSharedBase + bytes > launch.shared_bytes)
            fail("shared memory access at " + std::to_string(static_cast<std::int64_t>(a) - kSharedBase) + " of " +
                 std::to_string(launch.shared_bytes));
        return shared + (a - kSharedBase);
    }
};

thread_local Machine* machine_ptr = nullptr;
__attribute__((noinline)) Machine& machine() { return *machine_ptr; }

void thread_main() {
    Machine& m = machine();
    m.body();
    m.threads[static_cast<std::size_t>(m.current)].done = true;
    ++m.progress;
    for (;;) m.yield();
}

// Runs every unfinished thread of [first, last) once; returns how many are left.
int pass(Machine& m, int first, int last) {
    int left = 0;
    for (int t = first; t < last && m.report.error.empty(); ++t) {
        Thread& thread = m.threads[static_cast<std::size_t>(t)];
        if (thread.done) continue;
        m.current = t;
        switch_fiber(m.scheduler, thread.fiber);
        left += !thread.done;
    }
    return left;
}

bool land_copy(Machine& m) {
    if (m.copies.empty()) return false;
    m.copies.front()();
    m.copies.pop_front();
    ++m.progress;
    return true;
}

void run_block(Machine& m, int block) {
    const int n = m.launch.threads;
    m.block = block;
    m.transaction.clear();
    m.copies.clear();
    m.stores.clear();
    for (auto& w : m.warp) w = {};
    for (auto& w : m.warpgroup) w = {};
    for (auto& b : m.barrier) b = {};
    for (auto& p : m.products) p.clear();
    std::fill(m.memory.begin(), m.memory.end(), static_cast<unsigned char>(0xFF));  // NaN
    for (auto& thread : m.threads) {
        thread.done = false;
        thread.open.clear();
        thread.groups.clear();
        thread.fiber = make_fiber(thread.stack.get(), kStackBytes, thread_main);
    }
    std::vector<int> order(static_cast<std::size_t>((n + 31) / 32));
    std::iota(order.begin(), order.end(), 0);
    int idle = 0;
    for (int left = n; left > 0 && m.report.error.empty();) {
        const std::int64_t before = m.progress;
        if (m.launch.schedule == Schedule::eager) {
            left = pass(m, 0, n);
            if (m.next_random() % 3 == 0 || m.progress == before) land_copy(m);
        } else {
            for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[m.next_random() % i]);
            left = 0;
            for (const int warp : order) {
                std::int64_t last;
                int unfinished;
                do {
                    last = m.progress;
                    unfinished = pass(m, warp * 32, std::min(n, warp * 32 + 32));
                } while (unfinished && m.progress != last && m.report.error.empty());
                left += unfinished;
            }
            if (m.progress == before) land_copy(m);
        }
        idle = m.progress == before ? idle + 1 : 0;
        if (left && idle > 3 && m.report.error.empty())
            m.report.error = "block " + std::to_string(block) + ": deadlock, " + std::to_string(left) + " threads wait";
    }
    for (std::size_t i = m.launch.shared_bytes; i < m.launch.shared_bytes + kGuardBytes; ++i)
        if (m.shared[i] != 0xFF && m.report.error.empty()) m.report.error = "a write past the end of shared memory";
    for (const auto& [address, b] : m.transaction)
        if (b.bytes != 0 && m.report.error.empty()) m.report.error = "a block ended while copies were under way";
    if (!m.copies.empty() && m.report.error.empty()) m.report.error = "a block ended while copies were under way";
    if (!m.stores.empty() && m.report.error.empty()) m.report.error = "a block ended before its stores had read their source";
}

}  // namespace

unsigned char* shared() { return machine().shared; }

Report run(const Launch& launch, const std::function<void()>& body) {
    Machine m;
    m.launch = launch;
    m.body = body;
    m.random = launch.seed * 0x9E3779B97F4A7C15ull + 88172645463325252ull;
    if (launch.shared_bytes > kSharedLimit || launch.threads < 1 || launch.threads > 1024)
        return {.error = "a launch no GPU can do: " + std::to_string(launch.shared_bytes) + " bytes of shared memory, " +
                         std::to_string(launch.threads) + " threads"};
    m.memory.resize(launch.shared_bytes + kGuardBytes + 2048);
    m.shared = reinterpret_cast<unsigned char*>((reinterpret_cast<std::uintptr_t>(m.memory.data()) + 1023) &
                                                ~std::uintptr_t{1023});
    static thread_local std::vector<std::unique_ptr<char, void (*)(void*)>> stacks;
    m.threads.resize(static_cast<std::size_t>(launch.threads));
    for (auto& thread : m.threads) {
        if (!stacks.empty()) {
            thread.stack = std::move(stacks.back());
            stacks.pop_back();
        } else {
            thread.stack.reset(static_cast<char*>(std::aligned_alloc(64, kStackBytes)));
        }
    }
    Machine* outer = machine_ptr;
    machine_ptr = &m;
    for (int b = 0; b < launch.blocks && m.report.error.empty(); ++b) run_block(m, b);
    machine_ptr = outer;
    for (auto& thread : m.threads) stacks.push_back(std::move(thread.stack));
    return m.report;
}

float decode_half(std::uint16_t v) {
    static const std::vector<float> table = [] {
        std::vector<float> t(65536);
        for (std::uint32_t i = 0; i < 65536; ++i) {
            const std::uint32_t sign = (i & 0x8000u) << 16, exponent = (i >> 10) & 31, mantissa = i & 1023;
            if (exponent == 31)
                t[i] = std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
            else if (exponent == 0)
                t[i] = (sign ? -1.f : 1.f) * static_cast<float>(mantissa) * 0x1p-24f;
            else
                t[i] = std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
        }
        return t;
    }();
    return table[v];
}

std::uint16_t encode_half(float v) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(v), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return static_cast<std::uint16_t>(sign | 0x7FFFu);
    if (magnitude >= 0x477FF000u) return static_cast<std::uint16_t>(sign | 0x7C00u);  // 65520 and more
    if (magnitude < 0x38800000u)  // subnormal: round(|v| * 2^24)
        return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::nearbyint(std::bit_cast<float>(magnitude) * 0x1p24f)));
    const std::uint32_t rounded = magnitude + 0xFFFu + (magnitude >> 13 & 1u);
    return static_cast<std::uint16_t>(sign | (rounded - 0x38000000u) >> 13);
}

namespace {

// All `count` threads of a group arrive with `argument`; the last runs `work` on everybody's.
template <class Work>
void meet(Meeting& meeting, int member, int count, int op, void* argument, Work work) {
    Machine& m = machine();
    if (meeting.arrived == 0)
        meeting.op = op;
    else if (meeting.op != op)
        m.fail("the threads of a warp do different things together (" + std::to_string(meeting.op) + " and " +
               std::to_string(op) + ")");
    meeting.argument[member] = argument;
    const unsigned generation = meeting.generation;
    ++m.progress;
    if (++meeting.arrived == count) {
        work(meeting.argument);
        meeting.arrived = 0;
        ++meeting.generation;
    } else {
        while (meeting.generation == generation) m.yield();
    }
}

template <class Argument, class Work>
void meet_warp(int op, Argument& argument, Work work) {
    Machine& m = machine();
    meet(m.warp[m.current >> 5], m.current & 31, 32, op, &argument,
         [&](void** all) { work([all](int lane) -> Argument& { return *static_cast<Argument*>(all[lane]); }); });
}

void barrier(int id, int threads, bool waits = true) {
    Machine& m = machine();
    Counter& b = m.barrier[id];
    const unsigned generation = b.generation;
    ++m.progress;
    if (++b.arrived == threads) {
        b.arrived = 0;
        ++b.generation;
    } else {
        while (waits && b.generation == generation) m.yield();
    }
}

float half_of(std::uint32_t v, int i) { return decode_half(static_cast<std::uint16_t>(v >> (16 * i))); }
int byte_of(std::uint32_t v, int i) { return static_cast<std::int8_t>(v >> (8 * i)); }

struct Product {
    void* d;
    const std::uint32_t* a;
    std::uint32_t b[2];
};

// sum[i][j] += sum over k of a[i][k] * b[k][j] from the registers of a warp.
template <class Lanes>
void multiply_halves(Lanes lanes, float (&sum)[16][8]) {
    float a[16][16], b[16][8];
    for (int l = 0; l < 32; ++l) {
        const Product& p = lanes(l);
        const int g = l / 4, q = 2 * (l & 3);
        for (int i = 0; i < 2; ++i) {
            a[g][q + i] = half_of(p.a[0], i);
            a[g + 8][q + i] = half_of(p.a[1], i);
            a[g][q + 8 + i] = half_of(p.a[2], i);
            a[g + 8][q + 8 + i] = half_of(p.a[3], i);
            b[q + i][g] = half_of(p.b[0], i);
            b[q + 8 + i][g] = half_of(p.b[1], i);
        }
    }
    for (int i = 0; i < 16; ++i) {
        float row[8] = {};
        for (int k = 0; k < 16; ++k)
            for (int j = 0; j < 8; ++j) row[j] += a[i][k] * b[k][j];
        for (int j = 0; j < 8; ++j) sum[i][j] += row[j];
    }
}

}  // namespace
}  // namespace emu

using namespace emu;

int thread_index() { return machine().current; }
int thread_count() { return machine().launch.threads; }
int block_index() { return machine().block; }
int block_count() { return machine().launch.blocks; }
smem_t smem_address(const void* p) {
    return static_cast<smem_t>(static_cast<const unsigned char*>(p) - machine().shared) + kSharedBase;
}

__attribute__((noinline)) void cta_sync() {
    if (machine().skipped(Fault::cta_sync, __builtin_return_address(0))) return;
    barrier(0, machine().launch.threads);
}
__attribute__((noinline)) void named_barrier(int id, int threads) {
    if (machine().skipped(Fault::named_barrier, __builtin_return_address(0))) return;
    barrier(id, threads);
}

// Not left out by faults: without them results are the same.
void wait_turn(int id) { barrier(id, 256); }
void pass_turn(int id) { barrier(id, 256, false); }

void ldmatrix_x4(std::uint32_t (&r)[4], smem_t a) {
    struct Argument {
        std::uint32_t* r;
        smem_t a;
    } argument{r, a};
    meet_warp(1, argument, [](auto lanes) {
        Machine& m = machine();
        for (int l = 0; l < 32; ++l)
            for (int i = 0; i < 4; ++i) {
                const smem_t row = lanes(i * 8 + l / 4).a;
                if (row & 15) m.fail("ldmatrix address is not a multiple of 16");
                std::memcpy(&lanes(l).r[i], m.at(row, 16) + 4 * (l & 3), 4);
            }
    });
}

void mma_f32(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
    Product argument{d, a, {b0, b1}};
    meet_warp(2, argument, [](auto lanes) {
        ++machine().report.mma;
        float sum[16][8];
        for (int l = 0; l < 32; ++l) {
            const float* d = static_cast<float*>(lanes(l).d);
            for (int e = 0; e < 4; ++e) sum[l / 4 + (e / 2) * 8][2 * (l & 3) + e % 2] = d[e];
        }
        multiply_halves(lanes, sum);
        for (int l = 0; l < 32; ++l) {
            float* d = static_cast<float*>(lanes(l).d);
            for (int e = 0; e < 4; ++e) d[e] = sum[l / 4 + (e / 2) * 8][2 * (l & 3) + e % 2];
        }
    });
}

void mma_f16(std::uint32_t (&d)[2], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
    Product argument{d, a, {b0, b1}};
    meet_warp(3, argument, [](auto lanes) {
        ++machine().report.mma;
        float sum[16][8];
        for (int l = 0; l < 32; ++l) {
            const std::uint32_t* d = static_cast<std::uint32_t*>(lanes(l).d);
            for (int e = 0; e < 4; ++e) sum[l / 4 + (e / 2) * 8][2 * (l & 3) + e % 2] = half_of(d[e / 2], e % 2);
        }
        multiply_halves(lanes, sum);
        for (int l = 0; l < 32; ++l) {
            std::uint32_t* d = static_cast<std::uint32_t*>(lanes(l).d);
            const int g = l / 4, q = 2 * (l & 3);
            d[0] = pack_halves(sum[g][q], sum[g][q + 1]);
            d[1] = pack_halves(sum[g + 8][q], sum[g + 8][q + 1]);
        }
    });
}

void mma_s8(int (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
    Product argument{d, a, {b0, b1}};
    meet_warp(4, argument, [](auto lanes) {
        ++machine().report.mma;
        int a[16][32], b[32][8];
        for (int l = 0; l < 32; ++l) {
            const Product& p = lanes(l);
            const int g = l / 4, q = 4 * (l & 3);
            for (int i = 0; i < 4; ++i) {
                a[g][q + i] = byte_of(p.a[0], i);
                a[g + 8][q + i] = byte_of(p.a[1], i);
                a[g][q + 16 + i] = byte_of(p.a[2], i);
                a[g + 8][q + 16 + i] = byte_of(p.a[3], i);
                b[q + i][g] = byte_of(p.b[0], i);
                b[q + 16 + i][g] = byte_of(p.b[1], i);
            }
        }
        for (int l = 0; l < 32; ++l) {
            int* d = static_cast<int*>(lanes(l).d);
            for (int e = 0; e < 4; ++e)
                for (int k = 0; k < 32; ++k) d[e] += a[l / 4 + (e / 2) * 8][k] * b[k][2 * (l & 3) + e % 2];
        }
    });
}

void copy_async16(smem_t s, const void* g, bool ok) {
    Machine& m = machine();
    if ((s & 15) || (ok && (reinterpret_cast<std::uintptr_t>(g) & 15))) m.fail("cp.async address is not a multiple of 16");
    std::memset(m.at(s, 16), 0xFF, 16);
    PendingCopy copy{s, {0, 0, 0, 0}};
    if (ok) std::memcpy(&copy.value, g, 16);
    m.threads[static_cast<std::size_t>(m.current)].open.push_back(copy);
}
void copy_commit() {
    Thread& thread = machine().threads[static_cast<std::size_t>(machine().current)];
    thread.groups.push_back(std::move(thread.open));
    thread.open.clear();
}
__attribute__((noinline)) void copy_wait_until(int n) {
    Machine& m = machine();
    if (m.skipped(Fault::copy_wait, __builtin_return_address(0))) ++n;
    Thread& thread = m.threads[static_cast<std::size_t>(m.current)];
    while (static_cast<int>(thread.groups.size()) > n) {
        for (const PendingCopy& copy : thread.groups.front()) std::memcpy(m.at(copy.to, 16), &copy.value, 16);
        thread.groups.pop_front();
    }
}

void raise_flag(std::uint64_t address) { *reinterpret_cast<volatile std::uint32_t*>(address) = 1; }

namespace {

TransactionBarrier& transaction_barrier(smem_t b) {
    Machine& m = machine();
    const auto it = m.transaction.find(b);
    if (it == m.transaction.end()) m.fail("an mbarrier was used before it was initialised");
    return it->second;
}

void arrive(smem_t b, std::int64_t bytes) {
    TransactionBarrier& barrier = transaction_barrier(b);
    barrier.bytes += bytes;
    if (--barrier.pending < 0) machine().fail("more arrivals at an mbarrier than it expects");
    barrier.settle();
    ++machine().progress;
}

// Calls each(global address or null, shared address) for every element of a box.
template <class Each>
void for_box(const TensorMap& map, const int (&corner)[3], unsigned char* shared, Each each) {
    for (int c = 0; c < map.box[2]; ++c)
        for (int b = 0; b < map.box[1]; ++b)
            for (int a = 0; a < map.box[0]; ++a, shared += map.element_bytes) {
                const std::int64_t at[3] = {corner[0] + a, corner[1] + b, corner[2] + c};
                bool inside = true;
                std::int64_t offset = at[0] * map.element_bytes;
                for (int i = 0; i < 3; ++i) {
                    inside = inside && at[i] >= 0 && at[i] < map.dim[i];
                    if (i) offset += at[i] * map.stride[i - 1];
                }
                each(inside ? reinterpret_cast<unsigned char*>(map.base) + offset : nullptr, shared);
            }
}

std::size_t box_bytes(const TensorMap& map) {
    return static_cast<std::size_t>(map.element_bytes) * static_cast<std::size_t>(map.box[0]) *
           static_cast<std::size_t>(map.box[1]) * static_cast<std::size_t>(map.box[2]);
}

}  // namespace

void mbarrier_init(smem_t b, int arrivals) {
    if (b & 7) machine().fail("mbarrier address is not a multiple of 8");
    machine().transaction[b] = {arrivals, arrivals, 0, 0};
}
void mbarrier_expect(smem_t b, int bytes) { arrive(b, bytes); }
__attribute__((noinline)) void mbarrier_arrive(smem_t b) {
    if (machine().skipped(Fault::mbarrier_arrive, __builtin_return_address(0))) return;
    arrive(b, 0);
}
__attribute__((noinline)) void mbarrier_wait(smem_t b, int phase) {
    if (machine().skipped(Fault::mbarrier_wait, __builtin_return_address(0))) return;
    while (transaction_barrier(b).phase == static_cast<unsigned>(phase)) machine().yield();
    ++machine().progress;
}

void tma_load3(smem_t dst, const void* map_pointer, smem_t b, int c0, int c1, int c2) {
    Machine& m = machine();
    TensorMap map;
    std::memcpy(&map, map_pointer, sizeof map);
    if (dst & 127) m.fail("TMA destination is not a multiple of 128");
    ++m.report.tma;
    const std::size_t bytes = box_bytes(map);
    std::memset(m.at(dst, bytes), 0xFF, bytes);
    m.copies.push_back([&m, map, dst, b, bytes, c0, c1, c2] {
        for_box(map, {c0, c1, c2}, m.at(dst, bytes), [&](const unsigned char* global, unsigned char* shared) {
            if (global)
                std::memcpy(shared, global, static_cast<std::size_t>(map.element_bytes));
            else
                std::memset(shared, 0, static_cast<std::size_t>(map.element_bytes));
        });
        TransactionBarrier& barrier = m.transaction[b];
        barrier.bytes -= static_cast<std::int64_t>(bytes);
        barrier.settle();
    });
}

// A store reads its source as early or as late as it may, at random: at once, or when its thread waits for it.
void tma_store3(const void* map_pointer, smem_t src, int c0, int c1, int c2) {
    Machine& m = machine();
    TensorMap map;
    std::memcpy(&map, map_pointer, sizeof map);
    if (src & 127) m.fail("TMA source is not a multiple of 128");
    const std::size_t bytes = box_bytes(map);
    unsigned char* source = m.at(src, bytes);
    const Action store = [=] {
        for_box(map, {c0, c1, c2}, source, [&](unsigned char* global, const unsigned char* shared) {
            if (global) std::memcpy(global, shared, static_cast<std::size_t>(map.element_bytes));
        });
    };
    if (m.next_random() % 2 == 0)
        store();
    else
        m.stores.emplace_back(m.current, store);
}
void tma_store_wait_read() {
    Machine& m = machine();
    std::erase_if(m.stores, [&m](const auto& store) {
        if (store.first == m.current) store.second();
        return store.first == m.current;
    });
}
void tma_store_wait_all() { tma_store_wait_read(); }

void stmatrix_x4_trans(smem_t a, const std::uint32_t (&r)[4]) {
    struct Argument {
        smem_t a;
        const std::uint32_t* r;
    } argument{a, r};
    meet_warp(5, argument, [](auto lanes) {
        Machine& m = machine();
        for (int i = 0; i < 4; ++i)
            for (int row = 0; row < 8; ++row) {
                const smem_t to = lanes(i * 8 + row).a;
                if (to & 15) m.fail("stmatrix address is not a multiple of 16");
                for (int j = 0; j < 8; ++j) {
                    const auto h = static_cast<std::uint16_t>(lanes(j * 4 + row / 2).r[i] >> (16 * (row & 1)));
                    std::memcpy(m.at(to, 16) + 2 * j, &h, 2);
                }
            }
    });
}

namespace {

struct GroupProduct {
    void* d;
    std::uint32_t a[4];
    std::uint64_t b;
    bool add;
};

// Address of element (row, k) of an operand in shared memory without swizzle: core matrices of 8 rows x 16 bytes.
smem_t element_address(std::uint64_t descriptor, int row, int k_bytes) {
    const auto start = static_cast<smem_t>((descriptor & 0x3FFF) << 4);
    const auto leading = static_cast<smem_t>((descriptor >> 16 & 0x3FFF) << 4);
    const auto stride = static_cast<smem_t>((descriptor >> 32 & 0x3FFF) << 4);
    return start + static_cast<smem_t>(row / 8) * stride + static_cast<smem_t>(row % 8) * 16 +
           static_cast<smem_t>(k_bytes / 16) * leading + static_cast<smem_t>(k_bytes % 16);
}

template <class Work>
void group_product(int op, GroupProduct argument, Work work) {
    Machine& m = machine();
    const int group = m.current >> 7;
    meet(m.warpgroup[group], m.current & 127, 128, op, &argument, [&](void** all) {
        std::vector<GroupProduct> products;
        for (int i = 0; i < 128; ++i) products.push_back(*static_cast<GroupProduct*>(all[i]));
        for (const auto& p : products)
            if (p.b != products[0].b) m.fail("the threads of a warpgroup have different wgmma descriptors");
        m.products[group].push_back([products, work] { work(products); });
    });
}

}  // namespace

void wgmma_f16(float (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b) {
    group_product(6, {d, {a[0], a[1], a[2], a[3]}, b, true}, [](const std::vector<GroupProduct>& all) {
        Machine& m = machine();
        ++m.report.wgmma;
        std::vector<float> rows(64 * 16), columns(16 * 128), sum(64 * 128);
        for (int n = 0; n < 128; ++n)
            for (int k = 0; k < 16; ++k) {
                std::uint16_t h;
                std::memcpy(&h, m.at(element_address(all[0].b, n, 2 * k), 2), 2);
                columns[static_cast<std::size_t>(k * 128 + n)] = decode_half(h);
            }
        for (int t = 0; t < 128; ++t) {
            const int r = t / 32 * 16 + (t & 31) / 4, q = 2 * (t & 3);
            for (int i = 0; i < 8; ++i)  // register i / 2: rows r and r + 8, then columns + 8
                rows[static_cast<std::size_t>((r + (i / 2 % 2) * 8) * 16 + q + (i / 4) * 8 + i % 2)] =
                    half_of(all[static_cast<std::size_t>(t)].a[i / 2], i % 2);
        }
        for (std::size_t i = 0; i < 64; ++i)
            for (std::size_t k = 0; k < 16; ++k)
                for (std::size_t n = 0; n < 128; ++n) sum[i * 128 + n] += rows[i * 16 + k] * columns[k * 128 + n];
        for (int t = 0; t < 128; ++t) {
            const int r = t / 32 * 16 + (t & 31) / 4, q = 2 * (t & 3);
            for (int e = 0; e < 64; ++e)
                static_cast<float*>(all[static_cast<std::size_t>(t)].d)[e] +=
                    sum[static_cast<std::size_t>((r + (e / 2 % 2) * 8) * 128 + e / 4 * 8 + q + e % 2)];
        }
    });
}

void wgmma_s8(int (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b, bool add) {
    group_product(7, {d, {a[0], a[1], a[2], a[3]}, b, add}, [](const std::vector<GroupProduct>& all) {
        Machine& m = machine();
        ++m.report.wgmma;
        std::vector<int> rows(64 * 32), columns(32 * 128), sum(64 * 128);
        for (int n = 0; n < 128; ++n)
            for (int k = 0; k < 32; ++k)
                columns[static_cast<std::size_t>(k * 128 + n)] =
                    static_cast<std::int8_t>(*m.at(element_address(all[0].b, n, k), 1));
        for (int t = 0; t < 128; ++t) {
            const int r = t / 32 * 16 + (t & 31) / 4, q = 4 * (t & 3);
            for (int i = 0; i < 16; ++i)  // register i / 4: rows r and r + 8, then columns + 16
                rows[static_cast<std::size_t>((r + (i / 4 % 2) * 8) * 32 + q + (i / 8) * 16 + i % 4)] =
                    byte_of(all[static_cast<std::size_t>(t)].a[i / 4], i % 4);
        }
        for (std::size_t i = 0; i < 64; ++i)
            for (std::size_t k = 0; k < 32; ++k)
                for (std::size_t n = 0; n < 128; ++n) sum[i * 128 + n] += rows[i * 32 + k] * columns[k * 128 + n];
        for (int t = 0; t < 128; ++t) {
            const int r = t / 32 * 16 + (t & 31) / 4, q = 2 * (t & 3);
            int* d = static_cast<int*>(all[static_cast<std::size_t>(t)].d);
            for (int e = 0; e < 64; ++e) {
                const int v = sum[static_cast<std::size_t>((r + (e / 2 % 2) * 8) * 128 + e / 4 * 8 + q + e % 2)];
                d[e] = all[static_cast<std::size_t>(t)].add ? d[e] + v : v;
            }
        }
    });
}

__attribute__((noinline)) void wgmma_wait_all() {
    Machine& m = machine();
    if (m.skipped(Fault::wgmma_wait, __builtin_return_address(0))) return;
    const int group = m.current >> 7;
    int none = 0;
    meet(m.warpgroup[group], m.current & 127, 128, 8, &none, [&](void**) {
        for (const auto& product : m.products[group]) product();
        m.products[group].clear();
    });
}

}  // namespace enlarge::cuda
