// SPDX-License-Identifier: Apache-2.0
#include <enlarge/enlarge.hpp>

#include <cstdio>
#include <cstring>

int main() {
    const auto model = enlarge::Model::open(enlarge::kDefaultModel);
    if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;
    auto upscaler = enlarge::Upscaler::create(*model);
    if (!upscaler) return std::fprintf(stderr, "%s\n", upscaler.error().message.c_str()), 1;
    enlarge::Image small({8, 6}, enlarge::kRgb8);
    for (int y = 0; y < 6; ++y) std::memset(small.view().row(0, y), 128, 24);
    const auto big = upscaler->upscale(small.view());
    if (!big) return std::fprintf(stderr, "%s\n", big.error().message.c_str()), 1;
    std::printf("enlarge %s: 8x6 to %dx%d\n", enlarge::version(), big->size().width, big->size().height);
    return big->size().width == 8 * model->info().scale ? 0 : 1;
}
