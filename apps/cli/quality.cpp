// SPDX-License-Identifier: Apache-2.0
#include "quality.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "command.hpp"
#include "enlarge/picture.hpp"
#include "reporter.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Error;
using enlarge::Errc;

// All files that were named or lie in folders that were named, sorted.
enlarge::Result<std::vector<std::string>> picture_files(const std::vector<std::string>& named) {
    std::vector<std::string> files;
    for (const std::string& path : named) {
        std::error_code failed;
        if (!std::filesystem::is_directory(path, failed)) {
            files.push_back(path);
            continue;
        }
        std::filesystem::recursive_directory_iterator it(path, failed);
        for (; !failed && it != std::filesystem::recursive_directory_iterator(); it.increment(failed)) {
            std::error_code ignored;
            if (it->is_regular_file(ignored)) files.push_back(it->path().string());
        }
        if (failed) return Error{Errc::io, path + ": cannot read the folder: " + failed.message()};
    }
    std::sort(files.begin(), files.end());
    if (files.empty()) return Error{Errc::argument, "--quality: no pictures in what was named"};
    return files;
}

// What is seen of one precision over all pictures.
struct Seen {
    std::string path;
    enlarge::Precision precision = enlarge::Precision::fp32;
    double worst_psnr = std::numeric_limits<double>::infinity(), sum = 0, largest = 0;
    std::string worst, farthest;
    int pictures = 0;
};

enlarge::Precision taken(const std::string& path) {
    return path.find("int16") != std::string::npos  ? enlarge::Precision::int16
           : path.find("fp16") != std::string::npos ? enlarge::Precision::fp16
           : path.find("int8") != std::string::npos ? enlarge::Precision::int8
                                                    : enlarge::Precision::fp32;
}

enlarge::Result<enlarge::Upscaler> upscaler(const enlarge::Model& model, const QualityChoice& choice, enlarge::Precision precision) {
    enlarge::EngineOptions options;
    options.device = choice.device;
    options.threads = choice.threads;
    options.precision = precision;
    return enlarge::Upscaler::create(model, options);
}

void print(const std::string& model, const std::string& asked, const Seen& seen, bool kept, bool json) {
    const double mean = seen.sum / std::max(seen.pictures, 1);
    if (json) {
        std::printf("%s\n", JsonLine("quality").add("model", model).add("asked", asked).add("path", seen.path)
                                .add("precision", std::string(enlarge::precision_name(seen.precision))).add("pictures", seen.pictures)
                                .add("worst_psnr", seen.worst_psnr).add("mean_psnr", mean).add("largest", seen.largest)
                                .add("worst", seen.worst).add("farthest", seen.farthest).add("kept", kept).text().c_str());
    } else {
        std::printf("%-30s %5s %5s %8d %10.1f %9.1f %8.0f  %-6s %s\n", printable(model).c_str(), asked.c_str(),
                    std::string(enlarge::precision_name(seen.precision)).c_str(), seen.pictures, seen.worst_psnr, mean, seen.largest,
                    kept ? "kept" : "BROKEN", printable(seen.farthest).c_str());
    }
    std::fflush(stdout);
}

}  // namespace

Promise promise_of(enlarge::Precision precision) {
    switch (precision) {
        case enlarge::Precision::fp16: return {58, 2};
        case enlarge::Precision::int16: return {48, 6};
        case enlarge::Precision::int8: return {45, 255};
        default: return {120, 0};
    }
}

void print_quality_header() {
    std::printf("%-30s %5s %5s %8s %10s %9s %8s  %-6s %s\n", "model", "asked", "taken", "pictures", "worst dB", "mean dB",
                "largest", "promise", "where the largest is");
}

enlarge::Result<int> print_quality(const enlarge::Model& model, const QualityChoice& choice) {
    const auto files = picture_files(choice.pictures);
    if (!files) return files.error();
    auto exact = upscaler(model, choice, enlarge::Precision::fp32);
    if (!exact) return exact.error();
    struct Contender {
        std::string asked;
        enlarge::Upscaler upscaler;
        Seen seen;
    };
    std::vector<Contender> contenders;
    for (const std::string& asked : choice.precisions) {
        const auto precision = enlarge::parse_precision(asked);
        if (!precision) return precision.error();
        auto made = upscaler(model, choice, *precision);
        if (!made) {
            std::fprintf(stderr, "%s %s: %s\n", model.info().name.c_str(), asked.c_str(), made.error().message.c_str());
            continue;
        }
        Seen seen;
        seen.path = made->description();
        seen.precision = taken(seen.path);
        contenders.push_back({asked, std::move(*made), std::move(seen)});
    }
    for (const std::string& file : *files) {
        auto picture = enlarge::Picture::open(file);
        const auto image = picture ? picture->load() : enlarge::Result<enlarge::Image>(picture.error());
        if (!image) {
            std::fprintf(stderr, "left out: %s\n", image.error().message.c_str());
            continue;
        }
        enlarge::ImageView in = image->view();
        if (choice.crop > 0) {
            const int width = std::min(in.size.width, choice.crop), height = std::min(in.size.height, choice.crop);
            in = in.part({(in.size.width - width) / 2, (in.size.height - height) / 2, width, height});
        }
        const auto want = exact->upscale(in);
        if (!want) return want.error();
        for (Contender& contender : contenders) {
            const auto got = contender.upscaler.upscale(in);
            if (!got) return got.error();
            const auto result = enlarge::compare(want->view(), got->view());
            if (!result) return result.error();
            Seen& seen = contender.seen;
            const double psnr = result->largest == 0 ? 120 : result->psnr_rgb;
            ++seen.pictures;
            seen.sum += psnr;
            if (psnr < seen.worst_psnr) {
                seen.worst_psnr = psnr;
                seen.worst = file;
            }
            if (result->largest > seen.largest) {
                seen.largest = result->largest;
                seen.farthest = file;
            }
        }
        if (interrupted()) return Error{Errc::cancelled, "stopped"};
    }
    int broken = 0;
    for (const Contender& contender : contenders) {
        const Promise promise = promise_of(contender.seen.precision);
        const bool kept = contender.seen.worst_psnr >= promise.psnr && contender.seen.largest < promise.largest + 0.01;
        broken += !kept;
        print(model.info().name, contender.asked, contender.seen, kept, choice.json);
    }
    return broken;
}

}  // namespace cli
