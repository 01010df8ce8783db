// SPDX-License-Identifier: Apache-2.0
#include "pictures/png_writer.hpp"

#include <zlib.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "image/format.hpp"
#include "pictures/boxes.hpp"
#include "pictures/deflate.hpp"
#include "pictures/png_filter.hpp"

namespace enlarge::pictures {
namespace {

// Filtered bytes of a strip. The size decides what is written: it is a constant.
constexpr std::size_t kStripBytes = std::size_t{512} << 10;

std::uint32_t checksum(std::span<const std::byte> bytes) {
    return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// A chunk that begins at the front of `chunk`, whose size and checksum are missing.
void complete_chunk(Bytes& chunk) {
    const auto size = static_cast<std::uint32_t>(chunk.size() - 8);
    for (std::size_t i = 0; i < 4; ++i) chunk[i] = static_cast<std::byte>(size >> (24 - 8 * i) & 0xff);
    append_be(chunk, checksum(std::span(chunk).subspan(4)), 4);
}

// A few rows, first as they are, then filtered, then compressed.
struct Strip {
    Bytes rows;  // the row before the first, then the strip's; before, between and behind them zeros
    Bytes filtered;
    Bytes chunk;
    int count = 0;    // rows
    uLong adler = 0;  // of `filtered`
    bool first = false, is_filtered = false, done = false;
    std::exception_ptr failure;
};

template <class Body>
std::exception_ptr caught(const Body& body) {
    try {
        body();
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

}  // namespace

struct PngWriter::State {
    OutputFile& file;
    const std::size_t row_bytes, pixel_bytes, pitch;
    const bool deep;  // 16 bits
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
    std::unique_ptr<Deflater> own;
    uLong adler = ::adler32(0, nullptr, 0);

    State(OutputFile& file_, Size size, const PixelFormat& pixels, int threads_);
    ~State();

    Strip& strip(std::int64_t n) { return slots[static_cast<std::size_t>(n) % slots.size()]; }
    std::byte* row(Strip& of, int y) { return of.rows.data() + kRowMargin + pitch * static_cast<std::size_t>(y + 1); }
    void open_strip();
    Result<void> begin_strip();
    Result<void> drain(std::int64_t until);
    void start_workers();
    void worker();
    // One that nobody has claimed; `lock` is open meanwhile. False when there is none.
    bool work_on_one(std::unique_lock<std::mutex>& lock, std::unique_ptr<Deflater>& deflater);
    void filter(Strip& of);
    void compress(Strip& of, std::span<const std::byte> before, Deflater& deflater);
};

PngWriter::State::State(OutputFile& file_, Size size, const PixelFormat& pixels, int threads_)
    : file(file_),
      row_bytes(static_cast<std::size_t>(size.width) * pixels.channels *
                static_cast<std::size_t>(sample_bytes(pixels.sample))),
      pixel_bytes(pixels.channels * static_cast<std::size_t>(sample_bytes(pixels.sample))),
      pitch(row_bytes + kRowMargin),
      deep(pixels.sample == SampleType::u16),
      threads(std::max(threads_, 1)),
      strip_rows(static_cast<int>(
          std::clamp<std::size_t>(kStripBytes / (row_bytes + 1), 1, static_cast<std::size_t>(size.height)))),
      rows_left(size.height),
      slots(static_cast<std::size_t>(threads + 4)) {
    open_strip();
}

PngWriter::State::~State() {
    {
        const std::lock_guard lock(mutex);
        stopping = true;
    }
    work.notify_all();
    for (std::thread& thread : workers) thread.join();
}

// Makes strip `begun` ready to be filled.
void PngWriter::State::open_strip() {
    Strip& next = strip(begun);
    next.rows.resize(kRowMargin +
                     pitch * static_cast<std::size_t>(strip_rows + 1));  // zeros, where they are never written
    next.count = 0;
    next.first = begun == 0;
    next.is_filtered = next.done = false;
    next.failure = nullptr;
    if (begun > 0) {
        Strip& last = strip(begun - 1);
        std::memcpy(row(next, -1), row(last, last.count - 1), row_bytes);
    }
}

// Gives the strip that was filled to whoever works, and opens the next.
Result<void> PngWriter::State::begin_strip() {
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
Result<void> PngWriter::State::drain(std::int64_t until) {
    std::unique_lock lock(mutex);
    while (drained < until) {
        Strip& oldest = strip(drained);
        if (!oldest.done) {
            if (!work_on_one(lock, own)) progress.wait(lock);
            continue;
        }
        lock.unlock();
        if (oldest.failure) std::rethrow_exception(oldest.failure);
        TRY(file.write(oldest.chunk));
        adler = ::adler32_combine(adler, oldest.adler, static_cast<z_off_t>(oldest.filtered.size()));
        lock.lock();
        ++drained;
    }
    return {};
}

void PngWriter::State::start_workers() {
    if (threads == 1) return;
    try {
        for (int i = 0; i < threads; ++i) workers.emplace_back([this] { worker(); });
    } catch (const std::system_error& e) {
        log(LogLevel::debug, std::string("fewer threads compress: ") + e.what());
    }
}

void PngWriter::State::worker() {
    std::unique_ptr<Deflater> deflater;
    std::unique_lock lock(mutex);
    while (!stopping)
        if (!work_on_one(lock, deflater)) work.wait(lock);
}

bool PngWriter::State::work_on_one(std::unique_lock<std::mutex>& lock, std::unique_ptr<Deflater>& deflater) {
    if (claimed == begun) return false;
    const std::int64_t n = claimed++;
    Strip& mine = strip(n);
    lock.unlock();
    std::exception_ptr failure = caught([&] {
        if (!deflater) deflater = std::make_unique<Deflater>();
        filter(mine);
    });
    lock.lock();
    mine.failure = failure;
    mine.is_filtered = true;
    progress.notify_all();
    std::span<const std::byte> before;
    if (n > 0) {
        // It was claimed before this one, and whoever did filters it without waiting for anybody.
        const Strip& last = strip(n - 1);
        progress.wait(lock, [&] { return last.is_filtered; });
        before = last.filtered;
        if (last.failure) failure = last.failure;
    }
    lock.unlock();
    if (!failure) failure = caught([&] { compress(mine, before, *deflater); });
    lock.lock();
    mine.failure = failure;
    mine.done = true;
    progress.notify_all();
    return true;
}

void PngWriter::State::filter(Strip& of) {
    of.filtered.resize((row_bytes + 1) * static_cast<std::size_t>(of.count));
    for (int y = 0; y < of.count; ++y)
        filter_row(row(of, y), row(of, y - 1), row_bytes, pixel_bytes,
                   of.filtered.data() + (row_bytes + 1) * static_cast<std::size_t>(y));
    of.adler =
        ::adler32_z(::adler32(0, nullptr, 0), reinterpret_cast<const Bytef*>(of.filtered.data()), of.filtered.size());
}

void PngWriter::State::compress(Strip& of, std::span<const std::byte> before, Deflater& deflater) {
    of.chunk.clear();
    append(of.chunk, std::string_view("\0\0\0\0IDAT", 8));
    if (of.first) append(of.chunk, "\x78\x9c");  // of zlib: deflate, 32 KiB, the usual effort
    deflater.append(before, of.filtered, of.chunk);
    complete_chunk(of.chunk);
}

PngWriter::PngWriter(OutputFile& file, Size size, const PixelFormat& pixels, int threads)
    : state_(std::make_unique<State>(file, size, pixels, threads)) {}
PngWriter::~PngWriter() = default;

Result<void> PngWriter::write(const std::byte* from) {
    State& s = *state_;
    Strip& strip = s.strip(s.begun);
    std::byte* const to = s.row(strip, strip.count);
    if (s.deep) {  // the format is big-endian
        for (std::size_t i = 0; i < s.row_bytes; i += 2) {
            std::uint16_t value;
            std::memcpy(&value, from + i, 2);
            to[i] = static_cast<std::byte>(value >> 8);
            to[i + 1] = static_cast<std::byte>(value & 0xff);
        }
    } else {
        std::memcpy(to, from, s.row_bytes);
    }
    ++strip.count;
    --s.rows_left;
    if (strip.count == s.strip_rows || s.rows_left == 0) return s.begin_strip();
    return {};
}

Result<void> PngWriter::finish() {
    State& s = *state_;
    ENSURE(s.rows_left == 0);
    TRY(s.drain(s.begun));
    Bytes end;
    append(end, std::string_view("\0\0\0\0IDAT", 8));
    append(end, kDeflateEnd);
    append_be(end, s.adler, 4);
    complete_chunk(end);
    TRY(s.file.write(end));
    end.clear();
    append(end, std::string_view("\0\0\0\0IEND", 8));
    complete_chunk(end);
    return s.file.write(end);
}

}  // namespace enlarge::pictures
