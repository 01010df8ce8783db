// SPDX-License-Identifier: Apache-2.0
#include "run/row_stage.hpp"

#include <algorithm>
#include <cstring>

#include "image/format.hpp"
#include "image/samples.hpp"
#include "tile/tile.hpp"

namespace enlarge {
namespace {

constexpr int kConverted = 32;  // rows at a time

int pixel_bytes(const PixelFormat& format) {
    return sample_bytes(format.sample) * (format.planar ? 1 : format.channels);
}

// Copies row `from` of the buffer to row `to`, all planes.
void copy_row(MutableImageView view, int from, int to) {
    const auto bytes = static_cast<std::size_t>(view.size.width) * static_cast<std::size_t>(pixel_bytes(view.format));
    for (int p = 0; p < plane_count(view.format); ++p) std::memcpy(view.row(p, to), view.row(p, from), bytes);
}

void clear_row(MutableImageView view, int row) {
    const auto bytes = static_cast<std::size_t>(view.size.width) * static_cast<std::size_t>(pixel_bytes(view.format));
    for (int p = 0; p < plane_count(view.format); ++p) std::memset(view.row(p, row), 0, bytes);
}

// Which of n pixels stands at place i >= n; -1: none, zeros.
int continued(int i, int n, Continuation beyond) {
    switch (beyond) {
        case Continuation::repeat: return n - 1;
        case Continuation::zeros: return -1;
        case Continuation::mirror: return i / n % 2 == 0 ? i % n : n - 1 - i % n;
        case Continuation::reflect:
        case Continuation::reflect_or_zeros: break;
    }
    return reflect(i, n);
}

}  // namespace

SourceStage::SourceStage(RowSource& source, int rows)
    : source_(source),
      size_(source.size()),
      buffer_(Size{size_.width, std::max(1, std::min(rows, size_.height))}, source.format()) {}

Result<ImageView> SourceStage::next() {
    const int count = std::min(buffer_.size().height, size_.height - row_);
    ENSURE(count > 0);
    const MutableImageView view = buffer_.view().part({0, 0, size_.width, count});
    TRY(source_.read(view));
    row_ += count;
    return ImageView(view);
}

ImageView take_rows(ImageView& rows, int count) {
    const ImageView taken = rows.part({0, 0, rows.size.width, count});
    const int left = rows.size.height - count;
    if (left > 0) rows = rows.part({0, count, rows.size.width, left});
    else rows.size.height = 0;
    return taken;
}

ConvertStage::ConvertStage(RowStage& stage, const PixelFormat& format)
    : stage_(stage), buffer_({stage.size().width, std::min(kConverted, stage.size().height)}, format) {}

Result<ImageView> ConvertStage::next() {
    if (pending_.size.height == 0) {
        TRY(pending_, stage_.next());
    }
    const int count = std::min(pending_.size.height, buffer_.size().height);
    const ImageView rows = take_rows(pending_, count);
    const MutableImageView out = buffer_.view().part({0, 0, rows.size.width, count});
    convert(rows, out);
    return ImageView(out);
}

RowWindow::RowWindow(RowStage& stage, Size padded, int capacity, Continuation beyond)
    : stage_(stage), padded_(padded), capacity_(capacity), beyond_(beyond) {
    const Size size = stage.size();
    if (beyond_ == Continuation::reflect_or_zeros && (padded.width >= 2 * size.width || padded.height >= 2 * size.height))
        beyond_ = Continuation::zeros;
    if (stage.whole() && padded == stage.size()) return;
    keep_ = padded.height - stage.size().height + 1;
    buffer_ = Image({padded.width, std::min(capacity + keep_, padded.height)}, stage.format());
}

void RowWindow::restart() {
    first_ = filled_ = taken_ = 0;
    pending_ = {};
}

std::int64_t RowWindow::row_bytes(int width, const PixelFormat& format) {
    return std::int64_t{width} * sample_bytes(format.sample) * format.channels;
}

Result<ImageView> RowWindow::rows(int begin, int end) {
    ENSURE(begin >= first_ && end > begin && end <= padded_.height);
    if (buffer_.empty()) return stage_.whole()->part({0, begin, padded_.width, end - begin});
    ENSURE(end - begin <= capacity_);
    if (end > first_ + buffer_.size().height) {  // slide: rows that are still needed move to the top
        const int drop = std::min(std::max(0, begin - keep_) - first_, filled_);
        for (int y = drop; y < filled_; ++y) copy_row(buffer_.view(), y, y - drop);
        first_ += drop;
        filled_ -= drop;
    }
    const int real = std::min(end, stage_.size().height);
    while (first_ + filled_ < real) {
        if (pending_.size.height == 0) {
            TRY(pending_, stage_.next());
            ENSURE(pending_.size.height > 0 && pending_.size.width == stage_.size().width);
            pending_.size.height = std::min(pending_.size.height, stage_.size().height - taken_);
            taken_ += pending_.size.height;
        }
        // Rows that slid out before they came (begin jumped) are dropped.
        const int room = buffer_.size().height - filled_;
        const int count = std::min(pending_.size.height, room);
        ENSURE(count > 0);
        append(take_rows(pending_, count));
    }
    pad_bottom(end);
    return ImageView(buffer_.view().part({0, begin - first_, padded_.width, end - begin}));
}

// Takes real rows and pads them on the right.
void RowWindow::append(const ImageView& rows) {
    const int width = stage_.size().width, height = rows.size.height;
    const MutableImageView target = buffer_.view().part({0, filled_, padded_.width, height});
    copy_pixels(rows, target.part({0, 0, width, height}));
    const auto bytes = static_cast<std::size_t>(pixel_bytes(rows.format));
    for (int p = 0; p < plane_count(rows.format); ++p)
        for (int y = 0; y < height; ++y)
            for (int x = width; x < padded_.width; ++x) {
                const int from = continued(x, width, beyond_);
                auto* to = target.row(p, y) + bytes * static_cast<std::size_t>(x);
                if (from < 0) std::memset(to, 0, bytes);
                else std::memcpy(to, target.row(p, y) + bytes * static_cast<std::size_t>(from), bytes);
            }
    filled_ += height;
}

void RowWindow::pad_bottom(int end) {
    const int real = stage_.size().height;
    while (first_ + filled_ < end) {
        const int from = continued(first_ + filled_, real, beyond_);
        if (from < 0) clear_row(buffer_.view(), filled_);
        else copy_row(buffer_.view(), from - first_, filled_);
        ++filled_;
    }
}

}  // namespace enlarge
