// SPDX-License-Identifier: Apache-2.0
#include "run/mix_stage.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "image/samples.hpp"

namespace enlarge {
namespace {

constexpr int kRows = 32;

}  // namespace

void Tee::restart() {
    first_.restart();
    second_.restart();
}

void Tee::Branch::restart() {
    waiting_.clear();
    shown_.reset();
}

Result<ImageView> Tee::Branch::next() {
    if (const ImageView* view = source_.whole()) return *view;
    if (!waiting_.empty()) {
        shown_ = std::move(waiting_.front());
        waiting_.pop_front();
    } else {
        TRY(const ImageView rows, source_.next());
        shown_ = std::make_shared<Image>(rows.size, rows.format);
        copy_pixels(rows, shown_->view());
        other_.waiting_.push_back(shown_);
    }
    return std::as_const(*shown_).view();
}

FloatStage::FloatStage(RowStage& stage) : ConvertStage(stage, planar_float(stage.format().channels)) {}

void FloatStage::convert(const ImageView& rows, const MutableImageView& out) {
    for (int y = 0; y < out.size.height; ++y)
        for (int c = 0; c < out.format.channels; ++c) load_row(rows, y, c, reinterpret_cast<float*>(out.row(c, y)));
}

MixStage::MixStage(RowStage* network, RowStage& plain, double strength)
    : network_(network),
      plain_(plain),
      strength_(static_cast<float>(strength)),
      buffer_({plain.size().width, std::min(kRows, plain.size().height)}, plain.format()) {}

void MixStage::restart() { from_network_.size.height = from_plain_.size.height = 0; }

Result<ImageView> MixStage::next() {
    if (!network_) return plain_.next();
    if (from_network_.size.height == 0) {
        TRY(from_network_, network_->next());
    }
    if (from_plain_.size.height == 0) {
        TRY(from_plain_, plain_.next());
    }
    const int count = std::min({from_network_.size.height, from_plain_.size.height, buffer_.size().height});
    const ImageView network = take_rows(from_network_, count), plain = take_rows(from_plain_, count);
    const int width = buffer_.size().width, channels = buffer_.format().channels;
    const MutableImageView out = buffer_.view().part({0, 0, width, count});
    for (int c = 0; c < channels; ++c) {
        const bool alpha = channels % 2 == 0 && c == channels - 1;
        for (int y = 0; y < count; ++y) {
            const auto* n = reinterpret_cast<const float*>(network.row(c, y));
            const auto* p = reinterpret_cast<const float*>(plain.row(c, y));
            auto* o = reinterpret_cast<float*>(out.row(c, y));
            if (alpha) std::memcpy(o, n, sizeof(float) * static_cast<std::size_t>(width));
            else
                for (int x = 0; x < width; ++x) o[x] = p[x] + strength_ * (n[x] - p[x]);
        }
    }
    return ImageView(out);
}

}  // namespace enlarge
