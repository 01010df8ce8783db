// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "image/format.hpp"
#include "pictures/rgb_rows.hpp"

#include "base/result.hpp"

namespace enlarge {
namespace {

class Flattened final : public RowSource {
public:
    Flattened(RowSource& from, const Background& background) : from_(from) {
        format_ = from.format();
        colours_ = format_.channels <= 2 ? 1 : 3;
        const float rgb[3] = {background.r / 255.0F, background.g / 255.0F, background.b / 255.0F};
        // A grey picture over a colour becomes RGB; over grey it stays grey.
        const bool grey = colours_ == 1 && background.r == background.g && background.g == background.b;
        format_.channels = grey ? 1 : 3;
        for (int c = 0; c < 3; ++c) behind_[c] = rgb[c];
    }
    [[nodiscard]] Size size() const override { return from_.size(); }
    [[nodiscard]] PixelFormat format() const override { return format_; }

    Result<void> read(const MutableImageView& rows) override {
        ENSURE(rows.format == format_);
        if (buffer_.size().height < rows.size.height) buffer_ = Image(rows.size, from_.format());
        MutableImageView part = buffer_.view();
        part.size = rows.size;
        TRY(from_.read(part));
        const ImageView in = part;
        const std::size_t channels = in.format.channels, width = static_cast<std::size_t>(rows.size.width);
        for (int y = 0; y < rows.size.height; ++y) {
            for (std::size_t x = 0; x < width; ++x) {
                const float alpha = pictures::sample_at(in, in.row(0, y), x * channels + channels - 1);
                for (std::size_t c = 0; c < format_.channels; ++c) {
                    const float value = pictures::sample_at(in, in.row(0, y), x * channels + (colours_ == 3 ? c : 0));
                    pictures::set_sample(rows, rows.row(0, y), x * format_.channels + c, value * alpha + behind_[c] * (1 - alpha));
                }
            }
        }
        return {};
    }

    Result<bool> colourless() override {
        if (format_.channels < 3 || colours_ < 3 || behind_[0] != behind_[1] || behind_[0] != behind_[2]) return false;
        return from_.colourless();
    }

private:
    RowSource& from_;
    PixelFormat format_;
    int colours_ = 3;
    float behind_[3] = {};
    Image buffer_;
};

}  // namespace

Result<Background> parse_background(const std::string& text) {
    if (text == "white") return Background{255, 255, 255};
    if (text == "black") return Background{0, 0, 0};
    const char *const begin = text.data() + (text.empty() ? 0 : 1), *const end = text.data() + text.size();
    unsigned value = 0;
    const auto [last, error] = std::from_chars(begin, end, value, 16);
    if (text.size() != 7 || text[0] != '#' || error != std::errc() || last != end)
        return Error{Errc::argument, "the background '" + text + "' should be white, black or #rrggbb"};
    return Background{static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 8),
                      static_cast<std::uint8_t>(value)};
}

std::unique_ptr<RowSource> flatten(RowSource& from, const Background& background) {
    return std::make_unique<Flattened>(from, background);
}

}  // namespace enlarge
