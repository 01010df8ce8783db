// SPDX-License-Identifier: Apache-2.0
// Rows of a picture, filtered and compressed on several threads.
#pragma once

#include <exception>
#include <memory>

#include "enlarge/image.hpp"
#include "pictures/boxes.hpp"
#include "pictures/deflate.hpp"

namespace enlarge::pictures {

// Takes the rows of one picture from top to bottom, in the processor's byte order, 16-bit samples with all their bits.
class RowWriter {
public:
    virtual ~RowWriter() = default;
    virtual Result<void> write(const std::byte* row) = 0;
    virtual Result<void> finish() = 0;  // after the last row: all that is left, and the end of the file
};

// A few rows, first as they are, then filtered, then compressed.
struct Strip {
    Bytes rows;  // the row before the first, then the strip's; before, between and behind them zeros
    Bytes filtered;
    Bytes file_bytes;
    int count = 0;                 // rows
    unsigned long filtered_adler = 0;
    bool first = false, is_filtered = false, done = false;
    std::exception_ptr failure;
};

// How a format makes a file of strips. filter() and compress() are called by several threads.
class StripCoder {
public:
    virtual ~StripCoder() = default;
    // Bytes of a filtered row.
    [[nodiscard]] virtual std::size_t filtered_bytes() const = 0;
    // Filters a row of the format's byte order; `above` is the one before it, zeros at the first. kRowMargin zeros lie
    // before and behind both.
    virtual void filter(const std::byte* row, const std::byte* above, std::byte* to) const = 0;
    // Makes strip.file_bytes, which is empty, of strip.filtered. `before`: filtered bytes of the strip before it.
    virtual void compress(Strip& strip, std::span<const std::byte> before, Deflater& deflater) const = 0;
    // Writes strip.file_bytes: strips in their order, by the caller of StripWriter.
    virtual Result<void> put(const Strip& strip) = 0;
};

// Gathers rows into strips; each is filtered and compressed by one thread. What is written depends on the pixels alone,
// not on threads. There are four strips more than threads, of half a MiB of pixels each where rows are not longer, and
// no more is held.
class StripWriter {
public:
    // `coder` must outlive it. `threads` >= 1. More than the caller's are started with the second strip, and missed
    // where they cannot be.
    StripWriter(StripCoder& coder, Size size, const PixelFormat& pixels, int threads);
    ~StripWriter();
    StripWriter(const StripWriter&) = delete;
    StripWriter& operator=(const StripWriter&) = delete;

    [[nodiscard]] int strip_rows() const;  // of all strips but the last, which may have fewer
    // Where the next row is to be put, in the byte order that the coder wants.
    std::byte* next_row();
    Result<void> row_is_there();
    // After the last row: until all strips are written.
    Result<void> finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::pictures
