// SPDX-License-Identifier: Apache-2.0
// The addresses of two other servers, so that their clients find this one where they look: AUTOMATIC1111's extras, and
// KServe's version 2.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "enlarge/enlarge.hpp"
#include "service/service.hpp"
#include "service/shim_requests.hpp"
#include "work/options.hpp"

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

// As those clients read it.
Response detail(const Response& error) {
    const json said = json::parse(error.body, nullptr, false);
    Response response = error;
    if (said.is_object() && said.contains("error"))
        response.body =
            dumped({{"detail", said["error"].value("message", "")}, {"error", said["error"].value("message", "")}}) +
            "\n";
    return response;
}

Result<std::string> file_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    if (!file) return Error{Errc::io, "the result is not there any more"};
    return std::move(bytes).str();
}

// Several pictures, answered together.
struct Batch {
    std::mutex mutex;
    std::vector<std::string> results;  // base64
    std::size_t left = 0;
    Response failed{.status = 0};
};

// "P6\n4 3\n255\n" and what follows it.
bool pnm_pixels(const std::string& file, int& width, int& height, std::string& pixels) {
    int used = 0;
    if (std::sscanf(file.c_str(), "P%*[56]%d%d%*d%n", &width, &height, &used) != 2 || used == 0) return false;
    pixels = file.substr(static_cast<std::size_t>(used) + 1);
    return true;
}

json tensor_of(const char* name) { return {{{"name", name}, {"datatype", "UINT8"}, {"shape", {-1, -1, -1}}}}; }

}  // namespace

bool Service::write_temporary(const std::string& path, std::string_view bytes) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool good = true;
    while (good && !bytes.empty()) {
        const ssize_t put = ::write(fd, bytes.data(), bytes.size());
        good = put > 0;
        if (good) bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    ::close(fd);
    if (!good) ::unlink(path.c_str());
    return good;
}

Answer Service::extras(Request& request, bool several) {
    auto wanted = parse_extras(request.body, several);
    if (!wanted) return detail(error_response(wanted.error()));
    const auto batch = std::make_shared<Batch>();
    batch->results.resize(wanted->pictures.size());
    batch->left = wanted->pictures.size();
    const auto later = std::make_shared<Later>();
    const auto done = [batch, later, several](std::size_t index, const Response* failed, std::string result) {
        const std::lock_guard lock(batch->mutex);
        if (failed && batch->failed.status == 0) batch->failed = detail(*failed);
        batch->results[index] = std::move(result);
        if (--batch->left > 0) return;
        if (batch->failed.status != 0) return later->fulfil(std::move(batch->failed));
        json answer = {{"html_info", ""}};
        if (several)
            answer["images"] = std::move(batch->results);
        else
            answer["image"] = std::move(batch->results[0]);
        later->fulfil(json_response(200, answer));
    };
    std::vector<std::int64_t> ids;
    for (std::size_t i = 0; i < wanted->pictures.size(); ++i) {
        const std::string input = temporary("body");
        if (!write_temporary(input, wanted->pictures[i].bytes))
            return detail(error_response(507, "io", "the picture cannot be stored"));
        const auto answered = enlarge_later(
            input, wanted->pictures[i].name, wanted->options,
            [done, i](const Said&, const std::string& path, const std::string&) {
                const auto bytes = file_of(path);
                const Response failed = bytes ? Response{} : error_response(bytes.error());
                done(i, bytes ? nullptr : &failed, bytes ? base64_encoded(*bytes) : "");
            },
            [done, i](const Response& failed) { done(i, &failed, ""); });
        if (answered.id != 0) ids.push_back(answered.id);
    }
    later->gone = [this, ids] {
        for (const std::int64_t id : ids) pool_->cancel(id);
    };
    return later;
}

Answer Service::extra_single(Request& request) { return extras(request, false); }
Answer Service::extra_batch(Request& request) { return extras(request, true); }

Answer Service::upscalers(Request&) {
    json list = json::array();
    const auto add = [&](const std::string& name, int scale) {
        list.push_back({{"name", name},
                        {"model_name", nullptr},
                        {"model_path", nullptr},
                        {"model_url", nullptr},
                        {"scale", scale}});
    };
    add("None", 4), add("Lanczos", 4), add("R-ESRGAN 4x+", 4);
    const json all = models_json();
    for (const json& model : all["models"]) add(model["name"].get<std::string>(), model.value("scale", 4));
    return json_response(200, list);
}

Answer Service::progress(Request&) {
    const Pool::State state = pool_->state();
    const bool busy = state.running > 0;
    return json_response(200, {{"progress", busy ? 0.5 : 0.0},
                               {"eta_relative", busy ? state.mean_seconds * double(1 + state.waiting) : 0.0},
                               {"state",
                                {{"skipped", false},
                                 {"interrupted", false},
                                 {"stopping_generation", false},
                                 {"job", busy ? "extras" : ""},
                                 {"job_count", state.running + state.waiting},
                                 {"job_timestamp", "0"},
                                 {"job_no", 0},
                                 {"sampling_step", 0},
                                 {"sampling_steps", 0}}},
                               {"current_image", nullptr},
                               {"textinfo", nullptr}});
}

Answer Service::infer_server(Request&) {
    return json_response(
        200, {{"name", "enlarge"}, {"version", enlarge::version()}, {"extensions", {"binary_tensor_data"}}});
}

Answer Service::infer_alive(Request&) {
    Response response = json_response(200, {{"live", true}, {"ready", true}});
    return response;
}

Answer Service::infer_model(Request& request) {
    const auto name = usable_model(request.part("model"));
    if (!name) return detail(error_response(name.error()));
    if (request.path.ends_with("/ready")) return json_response(200, {{"name", *name}, {"ready", true}});
    return json_response(200, {{"name", *name},
                               {"versions", {"1"}},
                               {"platform", "enlarge"},
                               {"inputs", tensor_of("image")},
                               {"outputs", tensor_of("image")}});
}

Answer Service::infer(Request& request) {
    const auto name = usable_model(request.part("model"));
    if (!name) return detail(error_response(name.error()));
    const std::string head = request.header("inference-header-content-length");
    const auto head_bytes = head.empty() ? std::optional<std::int64_t>(-1) : whole_number(head);
    if (!head_bytes)
        return detail(error_response(400, "argument", "Inference-Header-Content-Length should be a number"));
    const auto wanted = parse_infer(request.body, *head_bytes);
    if (!wanted) return detail(error_response(wanted.error()));
    const std::string input = temporary("body");
    const std::string pnm = std::string(wanted->channels == 1 ? "P5" : "P6") + "\n" + std::to_string(wanted->width) +
                            " " + std::to_string(wanted->height) + "\n255\n";
    if (!write_temporary(input, pnm + wanted->pixels))
        return detail(error_response(507, "io", "the tensor cannot be stored"));
    Params options = wanted->options;
    options.insert(options.end(), {{"model", *name}, {"format", "ppm"}, {"provenance", "0"}});
    const auto later = std::make_shared<Later>();
    InferRequest shape = *wanted;
    shape.pixels.clear();
    const auto started = enlarge_later(
        input, "tensor", options,
        [later, shape, model = *name](const Said&, const std::string& path, const std::string&) {
            const auto file = file_of(path);
            int width = 0, height = 0;
            std::string pixels;
            if (!file || !pnm_pixels(*file, width, height, pixels))
                return later->fulfil(detail(error_response(500, "io", "the result cannot be read")));
            json sides = {height, width, shape.channels};
            if (shape.batched) sides = {1, height, width, shape.channels};
            json output = {{"name", shape.output}, {"datatype", "UINT8"}, {"shape", sides}};
            json answer = {{"model_name", model}, {"model_version", "1"}};
            if (!shape.id.empty()) answer["id"] = shape.id;
            if (shape.binary)
                output["parameters"] = {{"binary_data_size", pixels.size()}};
            else
                output["data"] =
                    std::vector<int>(reinterpret_cast<const unsigned char*>(pixels.data()),
                                     reinterpret_cast<const unsigned char*>(pixels.data()) + pixels.size());
            answer["outputs"] = json::array({output});
            Response response{.body = dumped(answer)};
            const std::string length = std::to_string(response.body.size());
            response.with("Content-Type", shape.binary ? "application/octet-stream" : "application/json");
            if (shape.binary) response.with("Inference-Header-Content-Length", length).body += pixels;
            later->fulfil(std::move(response));
        },
        [later](const Response& failed) { later->fulfil(detail(failed)); });
    later->gone = [this, id = started.id] { pool_->cancel(id); };
    return later;
}

}  // namespace serve
