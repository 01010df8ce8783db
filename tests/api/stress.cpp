// SPDX-License-Identifier: Apache-2.0
// 10,000 small calls of the C interface from 8 threads: all succeed with the same bits, and memory does not grow.
#include <enlarge/enlarge.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>
#include <vector>

#include <unistd.h>

namespace {

constexpr int kThreads = 8, kCalls = 10000, kWarm = 1000, kSide = 8;
std::atomic<int> calls{0}, wrong{0};
std::atomic<long> warm_pages{0};

long resident_pages() {
    std::ifstream file("/proc/self/statm");
    long all = 0, resident = 0;
    file >> all >> resident;
    return resident;
}

// Each call is counted; the one that is number kWarm says how much memory there is then.
void count(enlarge_status got, enlarge_status expected = ENLARGE_OK) {
    if (got != expected) ++wrong;
    if (++calls == kWarm) warm_pages = resident_pages();
}

enlarge_image image(std::vector<unsigned char>& pixels, int side) {
    enlarge_image made{};
    made.size = sizeof made;
    made.width = made.height = side;
    made.channels = 3;
    made.sample = ENLARGE_U8;
    made.plane[0] = pixels.data();
    made.stride_bytes[0] = 3 * side;
    return made;
}

// Twelve calls a turn: what succeeds, what fails, and what a stream does.
void work(enlarge_engine* engine, enlarge_model* model, const std::vector<unsigned char>& expected) {
    enlarge_context* ctx = enlarge_context_create();
    std::vector<unsigned char> in(3 * kSide * kSide, 100), out(12 * kSide * kSide);
    std::vector<unsigned char> luma(kSide * kSide, 90), big_luma(4 * kSide * kSide);
    const enlarge_image small = image(in, kSide), big = image(out, 2 * kSide);
    while (calls < kCalls) {
        enlarge_session* session = nullptr;
        enlarge_stream* stream = nullptr;
        enlarge_model_info info{};
        int32_t width = 0, height = 0;
        info.size = sizeof info;
        count(enlarge_session_create(ctx, engine, &session));
        count(enlarge_session_upscale(ctx, session, &small, &big, nullptr, nullptr));
        if (!expected.empty() && out != expected) ++wrong;
        count(enlarge_session_upscale(ctx, session, &small, nullptr, nullptr, nullptr), ENLARGE_ARGUMENT);
        count(enlarge_model_describe(ctx, model, &info));
        count(enlarge_output_size(ctx, model, kSide, kSide, 0, 0, 0, 0, &width, &height));
        count(enlarge_model_open(ctx, "/no/such/model.pth", nullptr), ENLARGE_ARGUMENT);
        enlarge_session_destroy(session);

        enlarge_frame from{}, to{};
        enlarge_frame_done done{};
        from.size = to.size = sizeof from;
        done.size = sizeof done;
        from.width = from.height = kSide;
        from.plane[0] = luma.data();
        from.stride_bytes[0] = kSide;
        count(enlarge_output_frame(ctx, engine, &from, 0, 0, 0, 0, &to));
        to.plane[0] = big_luma.data();
        to.stride_bytes[0] = 2 * kSide;
        count(enlarge_stream_create(ctx, engine, &from, &to, nullptr, &stream));
        for (int i = 0; i < 2; ++i) {
            count(enlarge_stream_submit(ctx, stream, &from, &to, nullptr));
            if (i == 0) count(enlarge_stream_next(ctx, stream, -1, &done));
        }
        count(enlarge_stream_flush(ctx, stream));
        enlarge_stream_destroy(stream);
    }
    enlarge_context_destroy(ctx);
}

}  // namespace

int main() {
    enlarge_context* ctx = enlarge_context_create();
    enlarge_model* model = nullptr;
    enlarge_engine* engine = nullptr;
    enlarge_session* session = nullptr;
    enlarge_options options{};
    options.size = sizeof options;
    options.device = "cpu";
    options.precision = ENLARGE_PRECISION_FP32;
    options.threads = 2;
    std::vector<unsigned char> in(3 * kSide * kSide, 100), expected(12 * kSide * kSide);
    const enlarge_image small = image(in, kSide), big = image(expected, 2 * kSide);
    if (enlarge_model_open(ctx, "swift-x2", &model) || enlarge_engine_create(ctx, model, &options, &engine) ||
        enlarge_session_create(ctx, engine, &session) ||
        enlarge_session_upscale(ctx, session, &small, &big, nullptr, nullptr)) {
        std::fprintf(stderr, "%s\n", enlarge_error(ctx));
        return 1;
    }
    enlarge_session_destroy(session);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, engine, model, expected);
    for (std::thread& thread : threads) thread.join();
    const long page = sysconf(_SC_PAGESIZE) / 1024;
    const long warm = warm_pages * page, end = resident_pages() * page;
    std::printf("%d calls from %d threads, %d wrong; %ld KiB after %d calls, %ld KiB at the end\n", calls.load(), kThreads,
                wrong.load(), warm, kWarm, end);
    enlarge_engine_destroy(engine);
    enlarge_model_close(model);
    enlarge_context_destroy(ctx);
#ifndef ENLARGE_TEST_SANITIZED  // which keep freed memory
    if (end > warm + warm / 10 + 4096) return 1;
#endif
    return wrong == 0 ? 0 : 1;
}
