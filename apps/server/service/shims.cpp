// SPDX-License-Identifier: Apache-2.0
// The addresses of two other servers, so that their clients find this one where they look: AUTOMATIC1111's extras, and
// KServe's version 2.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
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

Result<std::string> file_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    if (!file) return Error{Errc::io, "the result is not there any more"};
    return std::move(bytes).str();
}

}  // namespace

// Several pictures, answered together.
struct Service::Batch {
    std::mutex mutex;
    std::vector<std::string> results;  // base64
    std::vector<std::int64_t> ids;     // of the work, in order; 0 = it was not taken
    std::vector<bool> finished;
    [[nodiscard]] std::size_t left() const {
        return static_cast<std::size_t>(std::count(finished.begin(), finished.end(), false));
    }
    double told = 0;  // of progress, which does not fall back while a picture goes from its worker into `results`
    Response failed{.status = 0};
    std::chrono::system_clock::time_point began = std::chrono::system_clock::now();
};

namespace {

// "P6\n4 3\n255\n" and what follows it; of PFM, too.
bool pnm_pixels(const std::string& file, int& width, int& height, std::string& pixels) {
    int used = 0;
    const std::string head = file.substr(0, 64);
    if (std::sscanf(head.c_str(), "P%*[56Ff]%d%d%*s%n", &width, &height, &used) != 2 || used == 0) return false;
    pixels = file.substr(static_cast<std::size_t>(used) + 1);
    return width > 0 && height > 0;
}

// Of PFM, whose rows begin with the lowest, from planes that begin with the highest, and back.
std::string planes_turned(const std::string& from, int width, int height, int channels, bool to_planes) {
    std::string to(from.size(), '\0');
    for (int c = 0; c < channels; ++c)
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x) {
                const std::size_t plane = (std::size_t(c) * std::size_t(height) + std::size_t(y)) * std::size_t(width);
                const std::size_t row = std::size_t(height - 1 - y) * std::size_t(width) + std::size_t(x);
                const std::size_t planar = (plane + std::size_t(x)) * sizeof(float);
                const std::size_t packed = (row * std::size_t(channels) + std::size_t(c)) * sizeof(float);
                std::memcpy(&to[to_planes ? planar : packed], &from[to_planes ? packed : planar], sizeof(float));
            }
    return to;
}

// The tensor as a picture file.
std::string file_of(const InferRequest& tensor) {
    const std::string sides = std::to_string(tensor.width) + " " + std::to_string(tensor.height) + "\n";
    if (!tensor.floats) return (tensor.channels == 1 ? "P5\n" : "P6\n") + sides + "255\n" + tensor.pixels;
    return (tensor.channels == 1 ? "Pf\n" : "PF\n") + sides + "-1.0\n" +
           planes_turned(tensor.pixels, tensor.width, tensor.height, tensor.channels, false);
}

// The answer to the request `shape` (without its pixels) with what is in the file.
Response tensor_response(const InferRequest& shape, const std::string& model, const std::string& file) {
    int width = 0, height = 0;
    std::string pixels;
    if (!pnm_pixels(file, width, height, pixels)) return error_response(500, "io", "the result cannot be read");
    json sides = json::array({height, width, shape.channels});
    if (shape.floats) {
        sides = json::array({shape.channels, height, width});
        pixels = planes_turned(pixels, width, height, shape.channels, true);
    }
    if (shape.batched) sides.insert(sides.begin(), 1);
    json output = {{"name", shape.output}, {"datatype", shape.floats ? "FP32" : "UINT8"}, {"shape", sides}};
    json answer = {{"model_name", model}, {"model_version", shape.floats ? "2" : "1"}};
    if (!shape.id.empty()) answer["id"] = shape.id;
    if (shape.binary) {
        output["parameters"] = {{"binary_data_size", pixels.size()}};
    } else if (shape.floats) {
        std::vector<float> numbers(pixels.size() / sizeof(float));
        std::memcpy(numbers.data(), pixels.data(), numbers.size() * sizeof(float));
        output["data"] = numbers;
    } else {
        const auto* bytes = reinterpret_cast<const unsigned char*>(pixels.data());
        output["data"] = std::vector<int>(bytes, bytes + pixels.size());
    }
    answer["outputs"] = json::array({output});
    Response response{.body = dumped(answer)};
    const std::string length = std::to_string(response.body.size());
    response.with("Content-Type", shape.binary ? "application/octet-stream" : "application/json");
    if (shape.binary) response.with("Inference-Header-Content-Length", length).body += pixels;
    return response;
}

json tensor_of(bool floats) {
    if (floats) return {{{"name", "image"}, {"datatype", "FP32"}, {"shape", {1, 3, -1, -1}}}};
    return {{{"name", "image"}, {"datatype", "UINT8"}, {"shape", {-1, -1, -1}}}};
}

// Version 1 takes bytes, 2 floats; without a number the tensor says which.
bool is_version(const std::string& version) { return version.empty() || version == "1" || version == "2"; }

Response no_such_version() {
    return error_response(404, "not_found", "there are versions 1 (UINT8) and 2 (FP32) of it");
}

}  // namespace

void reword_for_clients(const std::string& path, Response& failure) {
    if (path != "/v2" && !path.starts_with("/v2/") && !path.starts_with("/sdapi/")) return;
    const json said = json::parse(failure.body, nullptr, false);
    if (!said.is_object() || !said.contains("error") || !said["error"].is_object()) return;
    const std::string message = said["error"].value("message", "");
    failure.body = dumped({{"detail", message}, {"error", message}}) + "\n";
}

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
    if (!wanted) return error_response(wanted.error());
    const auto batch = std::make_shared<Batch>();
    batch->results.resize(wanted->pictures.size());
    batch->finished.resize(wanted->pictures.size());
    const auto later = std::make_shared<Later>();
    const auto done = [batch, later, several](std::size_t index, const Response* failed, std::string result) {
        const std::lock_guard lock(batch->mutex);
        if (failed && batch->failed.status == 0) batch->failed = *failed;
        batch->results[index] = std::move(result);
        batch->finished[index] = true;
        if (batch->left() > 0) return;
        if (batch->failed.status != 0) return later->fulfil(std::move(batch->failed));
        json answer = {{"html_info", ""}};
        if (several)
            answer["images"] = std::move(batch->results);
        else
            answer["image"] = std::move(batch->results[0]);
        later->fulfil(json_response(200, answer));
    };
    {
        const std::lock_guard lock(batches_mutex_);
        std::erase_if(batches_, [](const auto& weak) { return weak.expired(); });
        batches_.push_back(batch);
    }
    std::vector<std::int64_t> ids(wanted->pictures.size());
    const auto stop = [this](const std::vector<std::int64_t>& those) {
        for (const std::int64_t id : those)
            if (id != 0) pool_->cancel(id);
    };
    for (std::size_t i = 0; i < wanted->pictures.size(); ++i) {
        const std::string input = temporary("body");
        if (!write_temporary(input, wanted->pictures[i].bytes)) {
            stop(ids);
            return error_response(507, "io", "the picture cannot be stored");
        }
        const auto answered = enlarge_later(
            input, wanted->pictures[i].name, wanted->options,
            [done, i](const Said&, const std::string& path, const std::string&) {
                const auto bytes = file_of(path);
                const Response failed = bytes ? Response{} : error_response(bytes.error());
                done(i, bytes ? nullptr : &failed, bytes ? base64_encoded(*bytes) : "");
            },
            [done, i](const Response& failed) { done(i, &failed, ""); });
        ids[i] = answered.id;
    }
    {
        const std::lock_guard lock(batch->mutex);
        batch->ids = ids;
    }
    later->gone = [stop, ids] { stop(ids); };
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

// Of the oldest of those clients' requests that is in work: how much of all its pictures is done.
Answer Service::progress(Request&) {
    std::shared_ptr<Batch> batch;
    {
        const std::lock_guard lock(batches_mutex_);
        for (const auto& weak : batches_) {
            const auto one = weak.lock();
            if (one && !batch) batch = one;
        }
    }
    double done = 0, left = 0;
    std::size_t count = 0, number = 0;
    char began[32] = "0";
    if (batch) {
        const std::lock_guard lock(batch->mutex);
        count = batch->finished.size();
        number = count - batch->left();
        Pool::Progress now;
        // Not of one that is finished: its worker may not have heard so yet.
        for (std::size_t i = 0; i < batch->ids.size(); ++i)
            if (!batch->finished[i])
                if (const auto one = pool_->progress(batch->ids[i])) now = *one;
        done = batch->told = std::max(batch->told, (double(number) + now.fraction) / double(count));
        const auto spent = std::chrono::duration<double>(std::chrono::system_clock::now() - batch->began).count();
        left = count == 1 && now.seconds_left >= 0 ? now.seconds_left : done > 0 ? spent / done * (1 - done) : 0;
        const std::time_t time = std::chrono::system_clock::to_time_t(batch->began);
        std::tm parts{};
        std::strftime(began, sizeof began, "%Y%m%d%H%M%S", localtime_r(&time, &parts));
    }
    return json_response(200, {{"progress", done},
                               {"eta_relative", left},
                               {"state",
                                {{"skipped", false},
                                 {"interrupted", false},
                                 {"stopping_generation", false},
                                 {"job", batch ? "extras" : ""},
                                 {"job_count", batch ? count : 0},
                                 {"job_timestamp", began},
                                 {"job_no", number},
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
    if (!name) return error_response(name.error());
    const std::string version = request.part("version");
    if (!is_version(version)) return no_such_version();
    if (request.path.ends_with("/ready")) return json_response(200, {{"name", *name}, {"ready", true}});
    return json_response(200, {{"name", *name},
                               {"versions", {"1", "2"}},
                               {"platform", "enlarge"},
                               {"inputs", tensor_of(version == "2")},
                               {"outputs", tensor_of(version == "2")}});
}

Answer Service::infer(Request& request) {
    const auto name = usable_model(request.part("model"));
    if (!name) return error_response(name.error());
    const std::string version = request.part("version"), head = request.header("inference-header-content-length");
    if (!is_version(version)) return no_such_version();
    const auto head_bytes = head.empty() ? std::optional<std::int64_t>(-1) : whole_number(head);
    if (!head_bytes)
        return error_response(400, "argument", "Inference-Header-Content-Length should be a number");
    const auto wanted = parse_infer(request.body, *head_bytes);
    if (!wanted) return error_response(wanted.error());
    if (!version.empty() && (version == "2") != wanted->floats)
        return error_response(400, "argument", "version 1 takes UINT8, version 2 takes FP32");
    const std::string input = temporary("body");
    if (!write_temporary(input, file_of(*wanted)))
        return error_response(507, "io", "the tensor cannot be stored");
    Params options = wanted->options;
    options.insert(options.end(),
                   {{"model", *name}, {"format", wanted->floats ? "pfm" : "ppm"}, {"provenance", "0"}});
    const auto later = std::make_shared<Later>();
    InferRequest shape = *wanted;
    shape.pixels.clear();
    const auto started = enlarge_later(
        input, "tensor", options,
        [later, shape, model = *name](const Said&, const std::string& path, const std::string&) {
            const auto file = file_of(path);
            later->fulfil(file ? tensor_response(shape, model, *file) : error_response(file.error()));
        },
        [later](const Response& failed) { later->fulfil(failed); });
    later->gone = [this, id = started.id] { pool_->cancel(id); };
    return later;
}

}  // namespace serve
