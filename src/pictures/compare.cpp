// SPDX-License-Identifier: Apache-2.0
// PSNR, SSIM and the largest difference of two pictures.
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/result.hpp"
#include "pictures/rgb_rows.hpp"

namespace enlarge {
namespace {

constexpr int kWindow = 11;
constexpr double kSigma = 1.5;

// BT.601 luma in studio range, 16..235: what rgb2ycbcr() of the super-resolution papers gives.
double luma(const float* rgb) { return 16 + 65.481 * rgb[0] + 128.553 * rgb[1] + 24.966 * rgb[2]; }

std::array<double, kWindow> gaussian() {
    std::array<double, kWindow> weights{};
    double sum = 0;
    for (int i = 0; i < kWindow; ++i) sum += weights[static_cast<std::size_t>(i)] = std::exp(-(i - 5) * (i - 5) / (2 * kSigma * kSigma));
    for (double& w : weights) w /= sum;
    return weights;
}

// Mean SSIM over rows that arrive one by one. Keeps the last 11 rows of the five horizontally filtered moments.
class Ssim {
public:
    explicit Ssim(int width) : width_(width - kWindow + 1) {
        if (width_ > 0)
            for (auto& row : rows_) row.resize(static_cast<std::size_t>(width_) * 5);
    }
    void add(const std::vector<double>& a, const std::vector<double>& b) {
        if (width_ <= 0) return;
        auto& row = rows_[static_cast<std::size_t>(count_ % kWindow)];
        for (std::size_t x = 0; x < static_cast<std::size_t>(width_); ++x) {
            double m[5] = {};
            for (std::size_t i = 0; i < kWindow; ++i) {
                const double w = weights_[i], p = a[x + i], q = b[x + i];
                m[0] += w * p, m[1] += w * q, m[2] += w * p * p, m[3] += w * q * q, m[4] += w * p * q;
            }
            for (std::size_t k = 0; k < 5; ++k) row[5 * x + k] = m[k];
        }
        if (++count_ < kWindow) return;
        constexpr double c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
        for (std::size_t x = 0; x < static_cast<std::size_t>(width_); ++x) {
            double m[5] = {};
            for (int i = 0; i < kWindow; ++i)
                for (std::size_t k = 0; k < 5; ++k)
                    m[k] += weights_[static_cast<std::size_t>(i)] * rows_[static_cast<std::size_t>((count_ + i) % kWindow)][5 * x + k];
            const double va = m[2] - m[0] * m[0], vb = m[3] - m[1] * m[1], cov = m[4] - m[0] * m[1];
            sum_ += (2 * m[0] * m[1] + c1) * (2 * cov + c2) / ((m[0] * m[0] + m[1] * m[1] + c1) * (va + vb + c2));
        }
        windows_ += width_;
    }
    [[nodiscard]] double mean() const {
        return windows_ ? sum_ / static_cast<double>(windows_) : std::numeric_limits<double>::quiet_NaN();
    }

private:
    std::array<double, kWindow> weights_ = gaussian();
    std::array<std::vector<double>, kWindow> rows_;
    int width_, count_ = 0;
    double sum_ = 0;
    std::int64_t windows_ = 0;
};

double psnr(double squares, double count, double peak) {
    return squares == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(peak * peak * count / squares);
}

Result<void> same_size(const ImageView& a, const ImageView& b) {
    if (a.size == b.size) return {};
    const auto text = [](Size s) { return std::to_string(s.width) + "x" + std::to_string(s.height); };
    return Error{Errc::argument, "the pictures differ in size: " + text(a.size) + " and " + text(b.size)};
}

}  // namespace

Result<Comparison> compare(const ImageView& a, const ImageView& b) {
    TRY(same_size(a, b));
    Comparison result;
    result.size = a.size;
    const auto width = static_cast<std::size_t>(a.size.width);
    std::vector<float> ra, rb;
    std::vector<double> ya(width), yb(width);
    Ssim ssim(a.size.width);
    double rgb = 0, y_squares = 0, largest = -1;
    for (int y = 0; y < a.size.height; ++y) {
        pictures::rgb_row(a, y, 0.5F, ra);
        pictures::rgb_row(b, y, 0.5F, rb);
        for (std::size_t i = 0; i < 3 * width; ++i) {
            const double d = std::abs(static_cast<double>(ra[i]) - static_cast<double>(rb[i]));
            rgb += d * d;
            if (d > largest) largest = d, result.largest_x = static_cast<int>(i / 3), result.largest_y = y;
        }
        for (std::size_t x = 0; x < width; ++x) {
            ya[x] = luma(&ra[3 * x]);
            yb[x] = luma(&rb[3 * x]);
            y_squares += (ya[x] - yb[x]) * (ya[x] - yb[x]);
        }
        ssim.add(ya, yb);
    }
    const double pixels = static_cast<double>(width) * a.size.height;
    result.psnr_rgb = psnr(rgb, 3 * pixels, 1);
    result.psnr_y = psnr(y_squares, pixels, 255);
    result.ssim = ssim.mean();
    result.largest = largest * 255;
    return result;
}

Result<Image> compare_picture(const ImageView& a, const ImageView& b, bool split) {
    TRY(same_size(a, b));
    const int width = a.size.width, gap = split ? 0 : std::max(2, width / 100);
    Image image({split ? width : 2 * width + gap, a.size.height}, kRgb8);
    const MutableImageView out = image.view();
    std::vector<float> ra, rb;
    for (int y = 0; y < a.size.height; ++y) {
        pictures::rgb_row(a, y, 0.5F, ra);
        pictures::rgb_row(b, y, 0.5F, rb);
        std::byte* row = out.row(0, y);
        const auto put = [&](int x, const std::vector<float>& from, int at) {
            for (int c = 0; c < 3; ++c)
                pictures::set_sample(out, row, static_cast<std::size_t>(3 * x + c), at < 0 ? 1.0F : from[static_cast<std::size_t>(3 * at + c)]);
        };
        for (int x = 0; x < out.size.width; ++x) {
            if (split) put(x, x < width / 2 ? ra : rb, std::abs(x - width / 2) * 400 < width ? -1 : x);  // a thin white line
            else if (x < width) put(x, ra, x);
            else put(x, rb, x < width + gap ? -1 : x - width - gap);
        }
    }
    return image;
}

}  // namespace enlarge
