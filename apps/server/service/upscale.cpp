// SPDX-License-Identifier: Apache-2.0
// POST /v1/upscale: a picture in, the picture out, while the client waits.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/names.hpp"
#include "service/service.hpp"
#include "work/kinds.hpp"
#include "work/options.hpp"

namespace serve {
namespace {

using enlarge::Errc;

// Files that go with the last one that knows of them.
struct Files {
    std::string input, output;  // output with its ending, once it is known
    Files() = default;
    Files(const Files&) = delete;
    Files& operator=(const Files&) = delete;
    ~Files() {
        if (!input.empty()) ::unlink(input.c_str());
        if (!output.empty()) ::unlink(output.c_str());
    }
};

Response picture_response(const Said& said, const std::string& path, const std::string& name) {
    Response response;
    response.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info = {};
    if (response.fd < 0 || ::fstat(response.fd, &info) != 0)
        return error_response(500, "io", "the result is not there any more");
    response.count = info.st_size;
    response.with("Content-Type", media_type_of(said.extension))
        .with("Content-Disposition", attachment(result_name(name, said.width, said.height, said.extension), true));
    response.with("Enlarge-Model", said.model)
        .with("Enlarge-Size", std::to_string(said.width) + "x" + std::to_string(said.height));
    return response;
}

}  // namespace

Answer Service::upscale(Request& request) {
    if (request.body_bytes == 0)
        return error_response(400, "argument", "the body is empty; it should be a picture, or a form with one");
    const std::string name = request.file_name.empty() ? "picture" : request.file_name;
    return enlarge_now(std::exchange(request.file, {}), name, request.query, picture_response);
}

Answer Service::enlarge_now(std::string input, const std::string& name, const Params& parameters,
                            std::function<Response(const Said&, const std::string&, const std::string&)> respond) {
    auto files = std::make_shared<Files>();
    files->input = std::move(input);
    const auto options = parse_options(parameters);
    if (!options) return error_response(options.error());
    const auto kind = kind_of_file(files->input);
    if (!kind) return error_response(kind.error());
    if (kind->moving)
        return error_response(415, "unsupported", "films take longer than an answer may; /v1/jobs is for them");
    auto task = std::make_shared<Task>();
    task->work = {.id = next_id_++,
                  .input = files->input,
                  .output = temporary("result"),
                  .name = name,
                  .options = parameters,
                  .max_pixels = options_.pixels,
                  .memory_bytes = options_.memory_bytes,
                  .seconds = options_.picture_s};
    const auto later = std::make_shared<Later>();
    later->gone = [this, id = task->work.id] { pool_->cancel(id); };
    task->started = [] {};
    task->said = [this, files, later, name, output = task->work.output,
                  respond = std::move(respond)](const Said& said) {
        if (said.event != Said::Event::done && said.event != Said::Event::failed) return;
        tally_.add(said);
        if (said.event == Said::Event::done) files->output = output + "." + said.extension;
        later->fulfil(said.event == Said::Event::done ? respond(said, files->output, name)
                                                      : error_response(enlarge::Error{said.code, said.text}));
    };
    if (pool_->submit(task)) return later;
    return error_response(
        429, "full", "the queue is full (" + std::to_string(options_.queue) + " wait); try again in a few seconds");
}

}  // namespace serve
