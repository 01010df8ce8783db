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
    response.with("Content-Type", media_type_of(said.extension));
    response.with("Content-Disposition", attachment(result_name(name, said.width, said.height, said.extension), true));
    response.with("Enlarge-Model", said.model)
        .with("Enlarge-Size", std::to_string(said.width) + "x" + std::to_string(said.height));
    return response;
}

}  // namespace

Answer Service::upscale(Request& request) {
    if (request.body_bytes == 0)
        return error_response(400, "argument", "the body is empty; it should be a picture, or a form with one");
    const std::string name = request.file_name.empty() ? "picture" : request.file_name;
    const auto later = std::make_shared<Later>();
    const auto started = enlarge_later(
        std::exchange(request.file, {}), name, request.query,
        [later](const Said& said, const std::string& path, const std::string& its) {
            later->fulfil(picture_response(said, path, its));
        },
        [later](const Response& failed) { later->fulfil(failed); });
    later->gone = [this, id = started.id] { pool_->cancel(id); };
    return later;
}

Service::Started Service::enlarge_later(std::string input, const std::string& name, const Params& parameters,
                                        WhenDone done, std::function<void(const Response&)> failed) {
    auto files = std::make_shared<Files>();
    files->input = std::move(input);
    const auto options = parse_options(parameters);
    if (!options) return failed(error_response(options.error())), Started{};
    const auto kind = kind_of_file(files->input);
    if (!kind) return failed(error_response(kind.error())), Started{};
    if (kind->moving)
        return failed(error_response(415, "unsupported", "films take longer than an answer may; /v1/jobs is for them")),
               Started{};
    auto task = std::make_shared<Task>();
    task->work = {.id = next_id_++,
                  .input = files->input,
                  .output = temporary("result"),
                  .name = name,
                  .options = parameters,
                  .max_pixels = options_.pixels,
                  .memory_bytes = options_.memory_bytes,
                  .seconds = options_.picture_s};
    const Started started{task->work.id};
    task->started = [] {};
    task->said = [this, files, name, output = task->work.output, done = std::move(done), failed](const Said& said) {
        if (said.event != Said::Event::done && said.event != Said::Event::failed) return;
        tally_.add(said);
        if (said.event == Said::Event::failed) return failed(error_response(enlarge::Error{said.code, said.text}));
        files->output = output + "." + said.extension;
        done(said, files->output, name);
    };
    // A look at a part goes before whatever is enlarged as a whole.
    if (pool_->submit(task, false, options->preview.has_value())) return started;
    failed(error_response(
        429, "full", "the queue is full (" + std::to_string(options_.queue) + " wait); try again in a few seconds"));
    return {};
}

}  // namespace serve
