// SPDX-License-Identifier: Apache-2.0
// Rows of a picture, compressed on several threads.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>

#include "enlarge/image.hpp"
#include "pictures/boxes.hpp"
#include "pictures/deflate.hpp"
#include "pictures/png_filter.hpp"

namespace enlarge::pictures {

// Takes the rows of one picture from top to bottom, in the processor's byte order, 16-bit samples with all their bits.
class RowWriter {
public:
    virtual ~RowWriter() = default;
    virtual Result<void> write(const std::byte* row) = 0;
    virtual Result<void> finish() = 0;  // after the last row: all that is left, and the end of the file
};

// A few rows, first as they are, then (in PNG and TIFF) filtered, then compressed.
struct Strip {
    Bytes rows;  // the row before the first, then the strip's; before, between and behind them zeros
    Bytes filtered;
    Bytes file_bytes;
    std::size_t pitch = 0;    // bytes from one row to the next
    std::int64_t number = 0;  // of the strip, from 0
    int count = 0;            // rows
    unsigned long filtered_adler = 0;
    bool is_prepared = false, done = false;
    std::exception_ptr failure;

    // Row -1 is the one before the strip, zeros at the first.
    [[nodiscard]] std::byte* row(int y) {
        return rows.data() + kRowMargin + pitch * static_cast<std::size_t>(y + 1);
    }
};

// How a format makes a file of strips. prepare() and complete() are called by several threads.
class StripCoder {
public:
    virtual ~StripCoder() = default;
    // Bytes of a row as it is compressed. Strips are of half a MiB of these, and of a multiple of row_multiple() rows.
    [[nodiscard]] virtual std::size_t row_bytes() const = 0;
    [[nodiscard]] virtual int row_multiple() const { return 1; }
    // What can be done without looking at any other strip.
    virtual void prepare(Strip& strip) const = 0;
    // Makes strip.file_bytes, if prepare() has not. `before`: filtered bytes of the strip before it.
    virtual void complete(Strip& strip, std::span<const std::byte> before, Deflater& deflater) const = 0;
    // Writes strip.file_bytes: strips in their order, by the caller of StripWriter.
    virtual Result<void> put(const Strip& strip) = 0;
};

// Of formats whose rows are filtered before they are deflated.
class FilteredCoder : public StripCoder {
public:
    // Filters a row of the format's byte order; `above` is the one before it. kRowMargin zeros lie before and behind
    // both.
    virtual void filter(const std::byte* row, const std::byte* above, std::byte* to) const = 0;
    void prepare(Strip& strip) const override;
};

// Gathers rows into strips; each is compressed by one thread. What is written depends on the pixels alone,
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
