// SPDX-License-Identifier: Apache-2.0
#include "enlarge/export.hpp"

#include <span>

#include "api/model_state.hpp"
#include "export/onnx.hpp"
#include "pictures/output_file.hpp"

namespace enlarge {

Result<void> export_onnx(const Model& model, const std::string& path, const OnnxOptions& options) {
    const ModelInfo& info = model.info();
    const Graph& graph = model.state()->network.graph;
    if (const auto own = graph.own_size())
        return Error{Errc::unsupported, "a network for pictures of " + std::to_string(own->width) + "x" +
                                            std::to_string(own->height) +
                                            " alone is not exported: its ONNX file is all there is of it"};
    OnnxFile file;
    file.half = options.half;
    file.name = info.name.empty() ? "network" : info.name;
    file.description = info.name + ": " + info.family + ", enlarges " + std::to_string(graph.scale()) +
                       " times; input and output " +
                       (info.channels == 1   ? "grey"
                        : info.channels == 4 ? "RGBA"
                                             : "RGB") +
                       ", 0..1, batch x channels x height x width";
    if (graph.size_multiple() > 1)
        file.description += "; height and width must be multiples of " + std::to_string(graph.size_multiple());
    file.metadata = {{"family", info.family}, {"scale", std::to_string(graph.scale())}};
    if (!info.licence.empty()) file.metadata["licence"] = info.licence;
    auto out = pictures::OutputFile::create(path, options.overwrite);
    if (!out.ok()) return std::move(out).error();
    TRY(const std::string bytes, write_onnx(graph, file));
    TRY(out->write(std::as_bytes(std::span(bytes))));
    return out->commit();
}

}  // namespace enlarge
