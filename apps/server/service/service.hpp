// SPDX-License-Identifier: Apache-2.0
// The server: HTTP in front, work behind, and what each address answers.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "http/server.hpp"
#include "jobs/jobs.hpp"
#include "service/options.hpp"
#include "work/pool.hpp"

namespace serve {

// Counted for /metrics.
struct Tally {
    std::atomic<std::int64_t> pictures = 0, films = 0, failed = 0, cancelled = 0, pixels = 0, milliseconds = 0;
    static constexpr double kBounds[] = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};  // seconds of work
    std::atomic<std::int64_t> within[std::size(kBounds) + 1] = {};
    void add(const Said& said);
};

class Service {
public:
    // Takes the data folder for itself, starts workers, listens. The error says what is in the way.
    static enlarge::Result<std::unique_ptr<Service>> start(const ServeOptions& options);
    ~Service();

    [[nodiscard]] int port() const { return http_->port(); }
    [[nodiscard]] const ServeOptions& options() const { return options_; }
    // Answers what is waited for with 503, ends the workers. Jobs go on with the next start.
    void stop();

private:
    explicit Service(const ServeOptions& options) : options_(options) {}
    std::vector<Route> routes();

    Answer upscale(Request& request);
    Answer models(Request& request);
    Answer model(Request& request);
    Answer health(Request& request);
    Answer metrics(Request& request);
    Answer session(Request& request);

    Answer page(Request& request);
    Answer job_view(Request& request);
    Answer job_thumb(Request& request);
    Answer model_sample(Request& request);
    Answer kind_sample(Request& request);
    // The page's picture with that option.
    Answer sample(const Request& request, const std::string& picture, const std::string& key, const std::string& value);
    // Answers with the file `target`, which is made by `work` where it is not there.
    Answer convert(const Request& request, Work work, const std::string& target, const std::string& seed,
                   const std::string& name);

    struct Batch;
    Answer extras(Request& request, bool several);
    Answer extra_single(Request& request);
    Answer extra_batch(Request& request);
    Answer upscalers(Request& request);
    Answer progress(Request& request);
    Answer infer_server(Request& request);
    Answer infer_alive(Request& request);
    Answer infer_model(Request& request);
    Answer infer(Request& request);

    Answer list_jobs(Request& request);
    Answer post_job(Request& request);
    Answer put_job(Request& request);
    Answer get_job(Request& request);
    Answer delete_job(Request& request);
    Answer cancel_job(Request& request);
    Answer job_events(Request& request);
    Answer job_output(Request& request);
    Answer job_input(Request& request);
    Answer archive(Request& request);
    Answer make_job(Request& request, const std::string& id);

    Answer upload_options(Request& request);
    Answer create_upload(Request& request);
    Answer head_upload(Request& request);
    std::unique_ptr<Sink> append_upload(Request& request, Response& no);
    Answer delete_upload(Request& request);

    [[nodiscard]] std::string temporary(const std::string& kind) const;
    static bool write_temporary(const std::string& path, std::string_view bytes);
    // A picture's work, answered later: one of the two is called once, perhaps before this returns. `input` is deleted
    // with the work, and the result after `done` has looked at it.
    struct Started {
        std::int64_t id = 0;
    };
    using WhenDone = std::function<void(const Said&, const std::string& path, const std::string& name)>;
    Started enlarge_later(std::string input, const std::string& name, const Params& parameters, WhenDone done,
                          std::function<void(const Response&)> failed);

    ServeOptions options_;
    int lock_ = -1;
    std::atomic<std::int64_t> next_id_ = 1;
    Tally tally_;
    std::unique_ptr<Pool> pool_;
    std::unique_ptr<Pool> views_;  // what the page shows: one thread of one processor, so that work goes on
    std::unique_ptr<Jobs> jobs_;
    std::unique_ptr<HttpServer> http_;
    std::mutex batches_mutex_;
    std::vector<std::weak_ptr<Batch>> batches_;  // of AUTOMATIC1111's clients, the oldest first
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// Failures at the addresses of other servers as their clients read them.
void reword_for_clients(const std::string& path, Response& failure);

// What /v1/models says; `samples` adds where the pictures of the page are.
json models_json();

}  // namespace serve
