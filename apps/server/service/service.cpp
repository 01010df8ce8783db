// SPDX-License-Identifier: Apache-2.0
#include "service/service.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;
namespace fs = std::filesystem;

// Folders of these names are emptied and cleared up: they must be of an earlier server.
Result<void> is_ours(const std::string& folder) {
    std::error_code error;
    if (fs::exists(folder + "/jobs.sqlite", error) || fs::exists(folder + "/lock", error)) return {};
    for (const char* name : {"temporary", "jobs", "uploads", "samples"})
        if (fs::exists(folder + "/" + name, error))
            return Error{Errc::exists, folder + ": '" + name +
                                           "' is there and is no server's; --data takes an empty folder, or one of an "
                                           "earlier server"};
    return {};
}

// The folder with what is temporary emptied; a lock that ends with this process.
Result<int> take_folder(const std::string& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return Error{Errc::io, folder + ": cannot create the folder: " + error.message()};
    if (auto ours = is_ours(folder); !ours) return std::move(ours).error();
    const int lock = ::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return Error{Errc::io, folder + ": cannot write there: " + std::strerror(errno)};
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        ::close(lock);
        return Error{Errc::exists, folder + ": another server works there; --data takes another folder"};
    }
    fs::remove_all(folder + "/temporary", error);
    for (const char* name : {"/temporary", "/jobs", "/uploads", "/samples"}) {
        if (!error) fs::create_directories(folder + name, error);
    }
    if (!error) return lock;
    ::close(lock);
    return Error{Errc::io, folder + ": cannot write there: " + error.message()};
}

HttpOptions http_options(const ServeOptions& options) {
    rlimit files{};  // connections, bodies, results: all of them are files
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = std::max(files.rlim_cur, std::min<rlim_t>(files.rlim_max, 65536));
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    HttpOptions http{.address = options.address,
                     .port = options.port,
                     .token = options.token,
                     .names = options.names,
                     .prefix = options.prefix,
                     .folder = options.data + "/temporary",
                     .body_bytes = options.upload_bytes};
    http.big_text_bytes = std::min<std::int64_t>(options.upload_bytes / 3 * 4 + 65536, std::int64_t{256} << 20);
    http.memory_bytes = std::int64_t{1} << 30;
    http.head_s = http.rate_window_s = options.patience_s;
    http.reword = reword_for_clients;
    return http;
}

}  // namespace

void Tally::add(const Said& said) {
    if (said.event == Said::Event::failed) {
        ++(said.code == Errc::cancelled ? cancelled : failed);
        return;
    }
    ++(said.frames > 0 ? films : pictures);
    pixels += std::int64_t{said.width} * said.height * std::max<std::int64_t>(1, said.frames);
    milliseconds += static_cast<std::int64_t>(said.seconds * 1000);
    std::size_t bound = 0;
    while (bound < std::size(kBounds) && said.seconds > kBounds[bound]) ++bound;
    ++within[bound];
}

Result<std::unique_ptr<Service>> Service::start(const ServeOptions& options) {
    const auto lock = take_folder(options.data);
    if (!lock) return lock.error();
    std::unique_ptr<Service> service(new Service(options));
    service->lock_ = *lock;
    service->pool_ = std::make_unique<Pool>(PoolOptions{
        .program = options.program,
        .devices = options.devices,
        .threads = options.threads,
        .capacity = options.queue,
        .beside_films = true});
    service->views_ = std::make_unique<Pool>(
        PoolOptions{.program = options.program, .devices = {"cpu"}, .threads = 1, .capacity = 256});
    const JobLimits limits{.pixels = options.pixels,
                           .memory_bytes = options.memory_bytes,
                           .disk_bytes = options.disk_bytes,
                           .picture_s = options.picture_s,
                           .film_s = options.film_s,
                           .keep_s = options.keep_s};
    auto jobs = Jobs::open(options.data, limits, *service->pool_,
                           [&tally = service->tally_](const Said& said) { tally.add(said); });
    if (!jobs) return std::move(jobs).error();
    service->jobs_ = std::move(jobs).value();
    auto http = HttpServer::start(http_options(options), service->routes());
    if (!http) return http.error();
    service->http_ = std::move(http).value();
    return service;
}

Service::~Service() {
    stop();
    pool_.reset();
    views_.reset();
    if (lock_ >= 0) ::close(lock_);
}

void Service::stop() {
    if (http_) http_->stop();
    if (pool_) pool_->stop();
    if (views_) views_->stop();
    jobs_.reset();  // the pool's threads tell it what happens
}

std::vector<Route> Service::routes() {
    const auto bound = [this](Answer (Service::*handler)(Request&)) {
        return [this, handler](Request& request) { return (this->*handler)(request); };
    };
    return {
        {"GET", "/healthz", Body::none, true, bound(&Service::health), {}},
        {"GET", "/metrics", Body::none, false, bound(&Service::metrics), {}},
        {"GET", "/", Body::none, true, bound(&Service::page), {}},
        {"GET", "/openapi.json", Body::none, true, bound(&Service::page), {}},
        {"GET", "/page/{name}", Body::none, true, bound(&Service::page), {}},
        {"GET", "/v1/models/{name}/sample", Body::none, false, bound(&Service::model_sample), {}},
        {"GET", "/v1/kinds/{kind}/sample", Body::none, false, bound(&Service::kind_sample), {}},
        {"GET", "/v1/jobs/{id}/thumb", Body::none, false, bound(&Service::job_thumb), {}},
        {"GET", "/v1/jobs/{id}/view/{side}", Body::none, false, bound(&Service::job_view), {}},
        {"POST", "/sdapi/v1/extra-single-image", Body::big_text, false, bound(&Service::extra_single), {}},
        {"POST", "/sdapi/v1/extra-batch-images", Body::big_text, false, bound(&Service::extra_batch), {}},
        {"GET", "/sdapi/v1/upscalers", Body::none, false, bound(&Service::upscalers), {}},
        {"GET", "/sdapi/v1/progress", Body::none, false, bound(&Service::progress), {}},
        {"GET", "/v2", Body::none, false, bound(&Service::infer_server), {}},
        {"GET", "/v2/health/live", Body::none, true, bound(&Service::infer_alive), {}},
        {"GET", "/v2/health/ready", Body::none, true, bound(&Service::infer_alive), {}},
        {"GET", "/v2/models/{model}", Body::none, false, bound(&Service::infer_model), {}},
        {"GET", "/v2/models/{model}/ready", Body::none, false, bound(&Service::infer_model), {}},
        {"GET", "/v2/models/{model}/versions/{version}", Body::none, false, bound(&Service::infer_model), {}},
        {"GET", "/v2/models/{model}/versions/{version}/ready", Body::none, false, bound(&Service::infer_model), {}},
        {"POST", "/v2/models/{model}/infer", Body::big_text, false, bound(&Service::infer), {}},
        {"POST", "/v2/models/{model}/versions/{version}/infer", Body::big_text, false, bound(&Service::infer), {}},
        {"GET", "/v1/models", Body::none, false, bound(&Service::models), {}},
        {"GET", "/v1/models/{name}", Body::none, false, bound(&Service::model), {}},
        {"POST", "/v1/upscale", Body::file, false, bound(&Service::upscale), {}},
        {"POST", "/v1/session", Body::text, true, bound(&Service::session), {}},
        {"GET", "/v1/jobs", Body::none, false, bound(&Service::list_jobs), {}},
        {"POST", "/v1/jobs", Body::file, false, bound(&Service::post_job), {}},
        {"GET", "/v1/events", Body::none, false, bound(&Service::job_events), {}},
        {"PUT", "/v1/jobs/{id}", Body::file, false, bound(&Service::put_job), {}},
        {"GET", "/v1/jobs/{id}", Body::none, false, bound(&Service::get_job), {}},
        {"DELETE", "/v1/jobs/{id}", Body::none, false, bound(&Service::delete_job), {}},
        {"POST", "/v1/jobs/{id}/cancel", Body::text, false, bound(&Service::cancel_job), {}},
        {"GET", "/v1/jobs/{id}/events", Body::none, false, bound(&Service::job_events), {}},
        {"GET", "/v1/jobs/{id}/output", Body::none, false, bound(&Service::job_output), {}},
        {"GET", "/v1/jobs/{id}/input", Body::none, false, bound(&Service::job_input), {}},
        {"GET", "/v1/archive", Body::none, false, bound(&Service::archive), {}},
        {"OPTIONS", "/v1/uploads", Body::none, false, bound(&Service::upload_options), {}},
        {"POST", "/v1/uploads", Body::text, false, bound(&Service::create_upload), {}},
        {"HEAD", "/v1/uploads/{id}", Body::none, false, bound(&Service::head_upload), {}},
        {"PATCH",
         "/v1/uploads/{id}",
         Body::sink,
         false,
         {},
         [this](Request& request, Response& no) { return append_upload(request, no); }},
        {"DELETE", "/v1/uploads/{id}", Body::none, false, bound(&Service::delete_upload), {}},
    };
}

std::string Service::temporary(const std::string& kind) const {
    return options_.data + "/temporary/" + kind + "-" + random_id();
}

// A page cannot add a header to a picture's address, so the token becomes a cookie that no script reads and no other
// site sends.
Answer Service::session(Request& request) {
    const json value = json::parse(request.body, nullptr, false);
    const bool text = value.is_object() && value.contains("token") && value["token"].is_string();
    if (!text || options_.token.empty() || !same_secret(value["token"].get<std::string>(), options_.token))
        return error_response(401, "token", "that is not the token");
    const bool secure = lower(request.header("x-forwarded-proto")) == "https";
    const std::string path = options_.prefix.empty() ? "/" : options_.prefix;
    Response response{.status = 204};
    return response.with("Set-Cookie", "enlarge_token=" + options_.token +
                                           "; HttpOnly; SameSite=Strict; Max-Age=2592000; Path=" + path +
                                           (secure ? "; Secure" : ""));
}

Answer Service::health(Request&) {
    const Pool::State state = pool_->state();
    return json_response(200, {{"status", "ok"}, {"waiting", state.waiting}, {"running", state.running}});
}

}  // namespace serve
