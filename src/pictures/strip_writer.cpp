// SPDX-License-Identifier: Apache-2.0
#include "pictures/strip_writer.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "image/format.hpp"
#include "pictures/adler.hpp"

namespace enlarge::pictures {
namespace {

// Bytes of a strip. The size decides what is written: it is a constant.
constexpr std::size_t kStripBytes = std::size_t{512} << 10;

template <class Body>
std::exception_ptr caught(const Body& body) {
    try {
        body();
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

int rows_of_strip(const StripCoder& coder, int height) {
    const int multiple = coder.row_multiple();
    const std::size_t rows = std::min(kStripBytes / coder.row_bytes(), static_cast<std::size_t>(height));
    return std::clamp(static_cast<int>(rows) / multiple * multiple, std::min(multiple, height), height);
}

}  // namespace

void FilteredCoder::prepare(Strip& strip) const {
    const std::size_t bytes = row_bytes();
    strip.filtered.resize(bytes * static_cast<std::size_t>(strip.count));
    for (int y = 0; y < strip.count; ++y)
        filter(strip.row(y), strip.row(y - 1), strip.filtered.data() + bytes * static_cast<std::size_t>(y));
    strip.filtered_adler = adler32(strip.filtered);
}

struct StripWriter::State {
    StripCoder& coder;
    const std::size_t row_bytes;
    const int threads, strip_rows;
    int rows_left;  // of the picture

    // Strip n lies in slot n % slots.size(). The caller alone begins and drains them; threads claim them in their
    // order.
    std::vector<Strip> slots;
    std::int64_t begun = 0, claimed = 0, drained = 0;  // the one that is being filled is not begun
    bool stopping = false;
    std::mutex mutex;
    std::condition_variable work, progress;
    std::vector<std::thread> workers;
    Deflater own;

    State(StripCoder& coder_, Size size, const PixelFormat& pixels, int threads_);
    ~State();

    Strip& strip(std::int64_t n) { return slots[static_cast<std::size_t>(n) % slots.size()]; }
    void open_strip();
    Result<void> begin_strip();
    Result<void> drain(std::int64_t until);
    void start_workers();
    void worker();
    // One that nobody has claimed; `lock` is open meanwhile. False when there is none.
    bool work_on_one(std::unique_lock<std::mutex>& lock, Deflater& deflater);
};

StripWriter::State::State(StripCoder& coder_, Size size, const PixelFormat& pixels, int threads_)
    : coder(coder_),
      row_bytes(static_cast<std::size_t>(size.width) * pixels.channels *
                static_cast<std::size_t>(sample_bytes(pixels.sample))),
      threads(std::max(threads_, 1)),
      strip_rows(rows_of_strip(coder, size.height)),
      rows_left(size.height),
      slots(static_cast<std::size_t>(threads + 4)) {
    open_strip();
}

StripWriter::State::~State() {
    {
        const std::lock_guard lock(mutex);
        stopping = true;
    }
    work.notify_all();
    for (std::thread& thread : workers) thread.join();
}

// Makes strip `begun` ready to be filled.
void StripWriter::State::open_strip() {
    Strip& next = strip(begun);
    next.pitch = row_bytes + kRowMargin;
    next.rows.resize(kRowMargin +
                     next.pitch * static_cast<std::size_t>(strip_rows + 1));  // zeros, where they are never written
    next.count = 0;
    next.number = begun;
    next.is_prepared = next.done = false;
    next.failure = nullptr;
    if (begun > 0) {
        Strip& last = strip(begun - 1);
        std::memcpy(next.row(-1), last.row(last.count - 1), row_bytes);
    }
}

// Gives the strip that was filled to whoever works, and opens the next.
Result<void> StripWriter::State::begin_strip() {
    {
        const std::lock_guard lock(mutex);
        ++begun;
    }
    if (rows_left == 0) return {};
    if (begun == 1) start_workers();
    work.notify_one();
    // The slot of the next must be free, and so must the one after that, whose end that one's thread looks at.
    TRY(drain(begun - static_cast<std::int64_t>(slots.size()) + 2));
    open_strip();
    return {};
}

// Writes all strips below `until`, in their order; helps to make them.
Result<void> StripWriter::State::drain(std::int64_t until) {
    std::unique_lock lock(mutex);
    while (drained < until) {
        Strip& oldest = strip(drained);
        if (!oldest.done) {
            if (!work_on_one(lock, own)) progress.wait(lock);
            continue;
        }
        lock.unlock();
        if (oldest.failure) std::rethrow_exception(oldest.failure);
        TRY(coder.put(oldest));
        lock.lock();
        ++drained;
    }
    return {};
}

void StripWriter::State::start_workers() {
    if (threads == 1) return;
    try {
        for (int i = 0; i < threads; ++i) workers.emplace_back([this] { worker(); });
    } catch (const std::system_error& e) {
        log(LogLevel::debug, std::string("fewer threads compress: ") + e.what());
    }
}

void StripWriter::State::worker() {
    Deflater deflater;
    std::unique_lock lock(mutex);
    while (!stopping)
        if (!work_on_one(lock, deflater)) work.wait(lock);
}

bool StripWriter::State::work_on_one(std::unique_lock<std::mutex>& lock, Deflater& deflater) {
    if (claimed == begun) return false;
    const std::int64_t n = claimed++;
    Strip& mine = strip(n);
    lock.unlock();
    mine.file_bytes.clear();
    std::exception_ptr failure = caught([&] { coder.prepare(mine); });
    lock.lock();
    mine.failure = failure;
    mine.is_prepared = true;
    progress.notify_all();
    std::span<const std::byte> before;
    if (n > 0) {
        // It was claimed before this one, and whoever did prepares it without waiting for anybody.
        const Strip& last = strip(n - 1);
        progress.wait(lock, [&] { return last.is_prepared; });
        before = last.filtered;
        if (last.failure) failure = last.failure;
    }
    lock.unlock();
    if (!failure) failure = caught([&] { coder.complete(mine, before, deflater); });
    lock.lock();
    mine.failure = failure;
    mine.done = true;
    progress.notify_all();
    return true;
}

StripWriter::StripWriter(StripCoder& coder, Size size, const PixelFormat& pixels, int threads)
    : state_(std::make_unique<State>(coder, size, pixels, threads)) {}
StripWriter::~StripWriter() = default;

int StripWriter::strip_rows() const { return state_->strip_rows; }

std::byte* StripWriter::next_row() {
    Strip& strip = state_->strip(state_->begun);
    return strip.row(strip.count);
}

Result<void> StripWriter::row_is_there() {
    State& s = *state_;
    Strip& strip = s.strip(s.begun);
    ++strip.count;
    --s.rows_left;
    if (strip.count == s.strip_rows || s.rows_left == 0) return s.begin_strip();
    return {};
}

Result<void> StripWriter::finish() {
    ENSURE(state_->rows_left == 0);
    return state_->drain(state_->begun);
}

}  // namespace enlarge::pictures
