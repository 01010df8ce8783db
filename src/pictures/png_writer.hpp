// SPDX-License-Identifier: Apache-2.0
// The pixels of a PNG file, filtered and compressed on several threads.
#pragma once

#include <memory>

#include "enlarge/image.hpp"
#include "pictures/output_file.hpp"

namespace enlarge::pictures {

// Writes the image data of one PNG file. Rows are gathered into strips; each is filtered and compressed by one thread
// and becomes a chunk of its own. What is written depends on the pixels alone, not on threads. There are four strips
// more than threads, of half a MiB of pixels each where rows are not longer, and no more is held.
class PngWriter {
public:
    // 8 or 16 bits, 1 to 4 channels. What comes before the pixels is in `file` already, which must outlive the writer.
    // `threads` >= 1. More than the caller's are started with the second strip, and missed where they cannot be.
    PngWriter(OutputFile& file, Size size, const PixelFormat& pixels, int threads);
    ~PngWriter();
    PngWriter(const PngWriter&) = delete;
    PngWriter& operator=(const PngWriter&) = delete;

    // The next row; samples of 16 bits are in the processor's order and use all their bits.
    Result<void> write(const std::byte* row);
    // After the last row: all that is left, and the end of the file.
    Result<void> finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::pictures
