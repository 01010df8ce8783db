// SPDX-License-Identifier: Apache-2.0
// Enlarges a picture in memory to twice and to one and a half times its size, and says how it went. Run by ctest.
#include <enlarge/enlarge.hpp>

#include <cstdio>
#include <cstdlib>

namespace {

// A picture of our own: a bright disc on a dark ground.
enlarge::Image make_disc(enlarge::Size size) {
    enlarge::Image image(size, enlarge::kRgb8);
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x) {
            const int dx = 2 * x - size.width, dy = 2 * y - size.height;
            const bool inside = dx * dx + dy * dy < size.height * size.height / 2;
            for (int c = 0; c < 3; ++c) image.view().row(0, y)[3 * x + c] = std::byte(inside ? 230 - 20 * c : 30);
        }
    return image;
}

int fail(const enlarge::Error& error) {
    std::fprintf(stderr, "image: %s\n", error.message.c_str());
    return 1;
}

}  // namespace

int main() {
    const auto model = enlarge::Model::open(enlarge::kDefaultModel);
    if (!model) return fail(model.error());
    auto upscaler = enlarge::Upscaler::create(*model);
    if (!upscaler) return fail(upscaler.error());

    const enlarge::Image small = make_disc({64, 40});
    for (const double scale : {2.0, 1.5}) {
        const auto big = upscaler->upscale(small.view(), {.scale = scale});
        if (!big) return fail(big.error());
        const enlarge::Size size = big->size();
        const int middle = std::to_integer<int>(big->view().row(0, size.height / 2)[3 * (size.width / 2)]);
        const int corner = std::to_integer<int>(big->view().row(0, 0)[0]);
        std::printf("%dx%d by %s: middle %d, corner %d\n", size.width, size.height, upscaler->description().c_str(), middle, corner);
        if (size.width != static_cast<int>(64 * scale) || std::abs(middle - 230) > 16 || std::abs(corner - 30) > 16) return 1;
    }
    return 0;
}
