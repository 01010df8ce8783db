// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdio>
#include <memory>

#include "CLI/CLI.hpp"
#include "command.hpp"
#include "enlarge/picture.hpp"
#include "reporter.hpp"

namespace cli {
namespace {

struct CompareOptions {
    std::string a, b, output;
    bool split = false, force = false, json = false;
};

int run(const CompareOptions& options) {
    if (options.split && options.output.empty()) return fail({enlarge::Errc::argument, "--split needs -o with the picture to write"});
    enlarge::Image images[2];
    const std::string* paths[2] = {&options.a, &options.b};
    for (int i = 0; i < 2; ++i) {
        enlarge::ReadOptions read;
        read.cancel = interruption();
        auto picture = enlarge::Picture::open(*paths[i], read);
        if (!picture) return fail(picture.error());
        auto image = picture->load();
        if (interrupted()) return fail({enlarge::Errc::cancelled, "interrupted"});
        if (!image) return fail(image.error());
        images[i] = std::move(image).value();
    }
    const enlarge::ImageView a = std::as_const(images[0]).view(), b = std::as_const(images[1]).view();
    const auto result = enlarge::compare(a, b);
    if (!result) return fail(result.error());
    if (options.json) {
        std::printf("%s\n", JsonLine("compare").add("a", options.a).add("b", options.b).add("psnr_rgb", result->psnr_rgb)
                                .add("psnr_y", result->psnr_y).add("ssim", result->ssim).add("largest", result->largest)
                                .add("largest_x", result->largest_x).add("largest_y", result->largest_y)
                                .add("equal", result->largest == 0).text().c_str());
    } else if (result->largest == 0) {
        std::printf("equal: every pixel of %dx%d\n", a.size.width, a.size.height);
    } else {
        std::printf("PSNR RGB  %.2f dB\nPSNR Y    %.2f dB\n", result->psnr_rgb, result->psnr_y);
        if (std::isnan(result->ssim)) std::printf("SSIM      needs pictures of at least 11x11\n");
        else std::printf("SSIM      %.4f\n", result->ssim);
        std::printf("largest   %.4g of 255, at %d,%d\n", result->largest, result->largest_x, result->largest_y);
    }
    if (options.output.empty()) return kOk;
    auto both = enlarge::compare_picture(a, b, options.split);
    if (!both) return fail(both.error());
    enlarge::WriteOptions write;
    write.overwrite = options.force;
    write.cancel = interruption();
    const auto saved = enlarge::save_picture(options.output, std::as_const(*both).view(), nullptr, write);
    if (!saved && interrupted()) return fail({enlarge::Errc::cancelled, "interrupted"});
    return saved ? kOk : fail(saved.error());
}

}  // namespace

Action define_compare(CLI::App& app) {
    auto options = std::make_shared<CompareOptions>();
    app.add_option("A", options->a, "One picture")->required()->group("Arguments");
    app.add_option("B", options->b, "Another of the same size")->required()->group("Arguments");
    app.add_option("-o,--output", options->output, "Write a picture that shows both, A left and B right")->type_name("FILE")->group("Output");
    app.add_flag("--split", options->split, "With -o: one picture, the left half of A and the right half of B")->group("Output");
    app.add_flag("-f,--force", options->force, "Overwrite it if it exists")->group("Output");
    app.add_flag("--json", options->json, "One JSON object on one line")->group("Output");
    return [options] { return run(*options); };
}

}  // namespace cli
