// SPDX-License-Identifier: Apache-2.0
#include "api/picture_file.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/result.hpp"

namespace enlarge {
namespace {

void tell(const PictureFileOptions& options, const std::string& path, const Notice& said) {
    if (options.notice) options.notice({said.code, path.empty() ? said.text : path + ": " + said.text});
}

// The picture's rows, with a background where one is asked for, or where the file cannot hold an alpha that hides
// nothing. `flat` keeps what was put between.
Result<RowSource*> rows_of(Picture& picture, PictureFormat format, const PictureFileOptions& options,
                           std::unique_ptr<RowSource>& flat) {
    if (picture.info().format.channels % 2 != 0) return &picture.rows();
    std::optional<Background> behind = options.background;
    if (!behind && !format_info(format).alpha) {
        TRY(const bool opaque, picture.opaque());
        if (opaque) behind.emplace();
    }
    RowSource& rows = picture.rows();
    if (!behind) return &rows;
    flat = flatten(rows, *behind);
    return flat.get();
}

}  // namespace

Result<PictureFileReport> enlarge_picture(Engine::Session& session, const std::string& input,
                                          const std::string& output, const PictureFileOptions& options,
                                          const CallOptions& call) {
    const EngineInfo& engine = session.info();
    ReadOptions read = options.read;
    read.cancel = call.cancel;
    read.max_pixels = std::min(read.max_pixels, engine.limits.pixels);
    TRY(Picture picture, Picture::open(input, read));
    WriteOptions write = options.write;
    write.cancel = call.cancel;
    if (options.provenance) write.provenance_model = engine.made_by;
    if (!write.format) {
        TRY(write.format, format_of_path(output));
    }
    std::unique_ptr<RowSource> flat;
    TRY(RowSource* rows, rows_of(picture, *write.format, options, flat));
    const Size in = picture.info().size;
    auto size = resolve(options.size, in, engine.model.scale);
    if (!size) return std::move(size).error().within(input);

    Notice loss;
    const PixelFormat pixels = output_pixels(rows->format(), *write.format, &loss);
    TRY(check_output(output, *size, pixels, write));
    for (const Notice& said : picture.notices()) tell(options, input, said);
    if (!loss.text.empty()) tell(options, "", loss);
    TRY(PictureWriter writer, PictureWriter::create(output, *size, pixels, &picture, write));
    for (const Notice& said : writer.notices()) tell(options, output, said);
    TRY(UpscaleReport work, session.upscale(*rows, writer, *size, pixels, call));
    TRY(call.cancel.check());
    TRY(writer.finish());
    work.output = *size;
    return PictureFileReport{in, work};
}

}  // namespace enlarge
