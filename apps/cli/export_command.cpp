// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <memory>

#include "CLI/CLI.hpp"
#include "command.hpp"
#include "enlarge/export.hpp"
#include "reporter.hpp"
#include "text.hpp"

namespace cli {
namespace {

struct ExportOptions {
    std::string model, output;
    bool onnx = false, half = false, force = false, json = false;
};

// "model.onnx", or "model-fp16.onnx", in the current folder: after the model, without its folder and extension.
std::string default_output(const ExportOptions& options) {
    const std::filesystem::path name = std::filesystem::path(options.model).filename();
    const std::string extension = name.extension().string();
    const bool known = extension == ".pth" || extension == ".pt" || extension == ".safetensors" || extension == ".onnx" ||
                       extension == ".param" || extension == ".bin";
    return (known ? name.stem() : name).string() + (options.half ? "-fp16.onnx" : ".onnx");
}

int run(const ExportOptions& options) {
    say_notes();
    const auto model = enlarge::Model::open(options.model);
    if (!model) return fail(model.error());
    const std::string output = options.output.empty() ? default_output(options) : options.output;
    enlarge::OnnxOptions onnx;
    onnx.half = options.half;
    onnx.overwrite = options.force;
    const auto done = enlarge::export_onnx(*model, output, onnx);
    if (!done) return fail(done.error());
    if (options.json)
        std::printf("%s\n", JsonLine("export").add("model", options.model).add("output", output).add("half", options.half).text().c_str());
    else
        std::fprintf(stderr, "%s\n", printable(output).c_str());
    return kOk;
}

}  // namespace

Action define_export(CLI::App& app) {
    auto options = std::make_shared<ExportOptions>();
    app.add_option("MODEL", options->model, "A weight file, or the name of a built-in or stored model")->required()->group("Arguments");
    app.add_flag("--onnx", options->onnx, "As ONNX (the only format, and the default)")->group("Output");
    app.add_option("-o,--output", options->output, "The file to write (MODEL.onnx here)")->type_name("FILE")->group("Output");
    app.add_flag("--half", options->half, "Weights and arithmetic in half precision; input and output stay float")->group("Output");
    app.add_flag("-f,--force", options->force, "Overwrite it if it exists")->group("Output");
    app.add_flag("--json", options->json, "One JSON object on one line")->group("Output");
    return [options] { return run(*options); };
}

}  // namespace cli
