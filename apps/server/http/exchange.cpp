// SPDX-License-Identifier: Apache-2.0
#include "http/exchange.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace serve {
namespace {

constexpr std::int64_t kDrained = 1 << 20;     // beyond what is taken: so that its client reads the answer
constexpr std::size_t kFieldBytes = 64 << 10;  // of all fields of a form

MHD_Result collect(void* target, enum MHD_ValueKind, const char* key, const char* value) {
    auto& headers = *static_cast<std::map<std::string, std::string, std::less<>>*>(target);
    const std::string name = lower(key);
    // Twice the same is as good as a list; of a Host or a length it would be a disguise, and fits nothing below.
    if (auto [at, added] = headers.emplace(name, value ? value : ""); !added)
        at->second += std::string(", ") + (value ? value : "");
    return MHD_YES;
}

// Puts the parts of "/v1/jobs/{id}" into `parts`.
bool matches(std::string_view pattern, std::string_view path, std::map<std::string, std::string, std::less<>>& parts) {
    while (true) {
        const auto a = pattern.find('/', 1), b = path.find('/', 1);
        const std::string_view want = pattern.substr(0, a), is = path.substr(0, b);
        if (want.size() > 2 && want[1] == '{') {
            if (is.size() < 2) return false;
            parts[std::string(want.substr(2, want.size() - 3))] = is.substr(1);
        } else if (want != is) {
            return false;
        }
        if (a == std::string_view::npos || b == std::string_view::npos) return a == b;
        pattern.remove_prefix(a);
        path.remove_prefix(b);
    }
}

struct Text {
    std::string bytes;
};

ssize_t read_text(void* text, std::uint64_t position, char* buffer, std::size_t most) {
    const std::string& bytes = static_cast<Text*>(text)->bytes;
    if (position >= bytes.size()) return MHD_CONTENT_READER_END_OF_STREAM;
    const std::size_t count = std::min(most, bytes.size() - static_cast<std::size_t>(position));
    std::memcpy(buffer, bytes.data() + position, count);
    return static_cast<ssize_t>(count);
}

struct Part {
    std::shared_ptr<Bytes> bytes;
    std::int64_t first;
};

ssize_t read_part(void* held, std::uint64_t position, char* buffer, std::size_t most) {
    auto& part = *static_cast<Part*>(held);
    const std::ptrdiff_t got = part.bytes->read(part.first + static_cast<std::int64_t>(position), buffer, most);
    return got > 0 ? got : MHD_CONTENT_READER_END_WITH_ERROR;
}

// A feed on its connection. Suspended while there is nothing to say.
struct Reader {
    Reader(HttpServer::State& state_, std::shared_ptr<Feed> feed_, MHD_Connection* connection_)
        : state(state_), feed(std::move(feed_)), connection(connection_) {}
    HttpServer::State& state;
    std::shared_ptr<Feed> feed;
    MHD_Connection* connection;
    std::mutex mutex;
    bool suspended = false, pending = false, over = false;
    std::string rest;  // of the library's thread alone

    void wake() {
        const std::lock_guard lock(mutex);
        if (over) return;
        if (!suspended) return void(pending = true);
        suspended = false;
        MHD_resume_connection(connection);
    }
    ssize_t read(char* buffer, std::size_t most) {
        while (rest.empty()) {
            {
                const std::lock_guard lock(mutex);
                pending = false;
            }
            if (feed->ended) return MHD_CONTENT_READER_END_WITH_ERROR;
            auto more = state.stopping ? std::nullopt : feed->next();
            if (!more) return MHD_CONTENT_READER_END_OF_STREAM;
            rest = std::move(*more);
            if (!rest.empty()) break;
            const std::lock_guard lock(mutex);
            if (pending || state.stopping) continue;
            suspended = true;
            MHD_suspend_connection(connection);
            return 0;
        }
        const std::size_t count = std::min(most, rest.size());
        std::memcpy(buffer, rest.data(), count);
        rest.erase(0, count);
        return static_cast<ssize_t>(count);
    }
};

ssize_t read_feed(void* reader, std::uint64_t, char* buffer, std::size_t most) {
    return (*static_cast<std::shared_ptr<Reader>*>(reader))->read(buffer, most);
}

void free_feed(void* held) {
    auto* reader = static_cast<std::shared_ptr<Reader>*>(held);
    (*reader)->feed->set_wake({});
    {
        const std::lock_guard lock((*reader)->mutex);
        (*reader)->over = true;
    }
    delete reader;
}

MHD_Response* made(HttpServer::State& state, MHD_Connection* connection, Response& response) {
    if (response.feed) {
        auto reader = std::make_shared<Reader>(state, response.feed, connection);
        response.feed->set_wake([weak = std::weak_ptr(reader)] {
            if (const auto there = weak.lock()) there->wake();
        });
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_feed, new std::shared_ptr(reader),
                                                 free_feed);
    }
    if (response.fd >= 0 && response.count > 0)
        return MHD_create_response_from_fd_at_offset64(static_cast<std::uint64_t>(response.count), response.fd,
                                                       static_cast<std::uint64_t>(response.first));
    if (response.fd >= 0) ::close(response.fd);
    if (response.bytes && response.count > 0)
        return MHD_create_response_from_callback(static_cast<std::uint64_t>(response.count), 65536, read_part,
                                                 new Part{response.bytes, response.first},
                                                 [](void* part) { delete static_cast<Part*>(part); });
    if (!response.fixed.empty())
        return MHD_create_response_from_buffer(response.fixed.size(), const_cast<char*>(response.fixed.data()),
                                               MHD_RESPMEM_PERSISTENT);
    if (response.body.size() <= 65536)
        return MHD_create_response_from_buffer(response.body.size(), response.body.data(), MHD_RESPMEM_MUST_COPY);
    const std::uint64_t size = response.body.size();
    return MHD_create_response_from_callback(size, 65536, read_text, new Text{std::move(response.body)},
                                             [](void* text) { delete static_cast<Text*>(text); });
}

MHD_Result on_form(void* exchange, enum MHD_ValueKind, const char* key, const char* file_name, const char*, const char*,
                   const char* data, std::uint64_t offset, std::size_t size) {
    return static_cast<Exchange*>(exchange)->form_part(key ? key : "", file_name, data, offset, size);
}

}  // namespace

Exchange::Exchange(HttpServer::State& state, MHD_Connection* connection, const char* url)
    : state_(state), connection_(connection), url_(url) {}

Exchange::~Exchange() {
    if (form_) MHD_destroy_post_processor(form_);
    if (file_ >= 0) ::close(file_);
    if (!request_.file.empty()) ::unlink(request_.file.c_str());
    state_.text_bytes -= held_;
}

void Exchange::lost() {
    if (sink_) sink_->finish(false);
    sink_.reset();
}

std::int64_t Exchange::most() const {
    switch (route_->body) {
        case Body::none:
            return 0;
        case Body::text:
            return state_.options.text_bytes;
        case Body::big_text:
            return state_.options.big_text_bytes;
        case Body::file:
        case Body::sink:
            return state_.options.body_bytes;
    }
    return 0;
}

bool Exchange::find_route(const std::string& path, Response& response) {
    std::string methods;
    const std::string wanted = request_.method == "HEAD" ? "GET" : request_.method;
    for (const Route& route : state_.routes) {
        std::map<std::string, std::string, std::less<>> parts;
        if (!matches(route.pattern, path, parts)) continue;
        if (route.method == wanted || (request_.method == "HEAD" && std::string_view(route.method) == "HEAD")) {
            route_ = &route;
            request_.parts = std::move(parts);
            return true;
        }
        methods += (methods.empty() ? "" : ", ") + std::string(route.method);
    }
    if (methods.empty()) {
        response = error_response(404, "not_found", "there is nothing at " + safe_name(path));
        return false;
    }
    response = error_response(405, "method", request_.method + " is not for this address; " + methods + " are");
    response.with("Allow", methods);
    return false;
}

// Who may ask: hosts and origins for browsers, whose pages may be anybody's; the token for all.
bool Exchange::allowed(Response& response) {
    const HttpOptions& options = state_.options;
    const std::string host = request_.header("host"), origin = request_.header("origin");
    if (!host_allowed(host, options.names)) {
        response = error_response(421, "host",
                                  "this server is not called '" + safe_name(host) + "'; --host-name gives it a name");
        return false;
    }
    // Pages of others may link here and no more: a picture's address in a page of theirs would make us compute.
    const std::string site = request_.header("sec-fetch-site");
    const bool link = request_.method == "GET" && request_.header("sec-fetch-mode") == "navigate";
    const bool foreign = (site == "cross-site" || site == "same-site") && !link;
    if (origin.empty() ? foreign : !origin_allowed(origin, host, options.names)) {
        response = error_response(403, "origin", "pages of other sites may not use this server");
        return false;
    }
    if (options.token.empty() || route_->open) return true;
    std::string given = request_.header("authorization");
    if (lower(given.substr(0, 7)) == "bearer ")
        given = std::string(trimmed(std::string_view(given).substr(7)));
    else
        given = cookie(request_.header("cookie"), "enlarge_token").value_or("");
    if (same_secret(given, options.token)) return true;
    response = error_response(401, "token", "a bearer token is needed: Authorization: Bearer TOKEN");
    response.with("WWW-Authenticate", "Bearer realm=\"enlarge\"");
    return false;
}

bool Exchange::body_allowed(Response& response) {
    const std::string length = request_.header("content-length");
    const std::string coding = lower(trimmed(request_.header("transfer-encoding")));
    if (!coding.empty() && (coding != "chunked" || !length.empty())) {  // a proxy may see another end of this request
        response = error_response(400, "argument",
                                  "the body should have a Content-Length or be chunked, not both or something else");
        return false;
    }
    if (!length.empty()) {
        const auto number = whole_number(length);
        if (!number) {
            response = error_response(400, "argument", "Content-Length is no number");
            return false;
        }
        declared_ = *number;
    }
    if (declared_ <= most()) return true;
    response = error_response(
        413, "limit", "the body has " + length + " bytes; at most " + std::to_string(most()) + " are taken here");
    return false;
}

MHD_Result Exchange::head(const char* method) {
    begun_ = true;
    request_.method = method;
    state_.phase(connection_, Connection::Phase::busy);
    MHD_get_connection_values(connection_, MHD_HEADER_KIND, collect, &request_.headers);
    const Target target = split_target(url_);
    if (target.host) request_.headers["host"] = *target.host;  // RFC 9112, 3.2.2: whatever the header says
    const auto question = std::min(target.address.find('?'), target.address.size());
    auto path = percent_decoded(target.address.substr(0, question), false);
    auto query = parse_query(target.address.substr(std::min(question + 1, target.address.size())));
    if (!path || !query) return refuse(error_response(400, "argument", "the address cannot be decoded"));
    if (path->empty()) *path = "/";
    const std::string& prefix = state_.options.prefix;
    if (!prefix.empty() && *path == prefix) return refuse(Response{.status = 308}.with("Location", prefix + "/"));
    if (!prefix.empty() && path->starts_with(prefix) && (*path)[prefix.size()] == '/') path->erase(0, prefix.size());
    request_.path = *path;
    request_.query = std::move(*query);
    // tus, for clients whose proxies let nothing else through.
    const std::string instead = request_.header("x-http-method-override");
    if (!instead.empty() && request_.method == "POST" && path->starts_with("/v1/uploads")) request_.method = instead;
    Response no;
    if (state_.stopping) return refuse(error_response(503, "stopping", "the server is being stopped"));
    if (!find_route(*path, no) || !allowed(no) || !body_allowed(no)) return refuse(std::move(no));
    if (route_->body == Body::sink) {
        sink_ = route_->begin(request_, no);
        if (!sink_) return refuse(std::move(no));
    }
    if (route_->body != Body::file) return MHD_YES;
    request_.file = state_.options.folder + "/body-" + random_id();
    file_ = ::open(request_.file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file_ < 0)
        return refuse(error_response(507, "io", std::string("the body cannot be stored: ") + std::strerror(errno)));
    if (!lower(request_.header("content-type")).starts_with("multipart/form-data")) {
        request_.file_name = disposition_name(request_.header("content-disposition"));
        return MHD_YES;
    }
    form_ = MHD_create_post_processor(connection_, 65536, on_form, this);
    if (!form_) return refuse(error_response(400, "format", "the form has no boundary"));
    return MHD_YES;
}

MHD_Result Exchange::refuse(Response response) {
    const bool expects = !request_.header("expect").empty();
    const std::string length = request_.header("content-length");
    const bool chunked = !request_.header("transfer-encoding").empty();
    const auto bytes = length.empty() ? std::optional<std::int64_t>(0) : whole_number(length);
    if (expects || chunked || !bytes || *bytes > kDrained) {
        response.with("Connection", "close");
        return answer(std::move(response));
    }
    refusal_ = std::move(response);
    return MHD_YES;
}

MHD_Result Exchange::form_part(const char* key, const char* file_name, const char* data, std::uint64_t offset,
                               std::size_t size) {
    if (refusal_) return MHD_YES;
    if (offset == 0) {
        in_file_ = file_name != nullptr;
        if (in_file_ && saw_file_) {
            refusal_ = error_response(400, "argument", "the form has two files; one is taken at a time");
            return MHD_YES;
        }
        if (in_file_) {
            saw_file_ = true;
            request_.file_name = safe_name(file_name);
        } else if (request_.query.size() < 64) {
            request_.query.emplace_back(key, "");
        } else {
            refusal_ = error_response(400, "argument", "the form has more than 64 fields");
        }
    }
    if (in_file_) return store(data, size), MHD_YES;
    held_field_bytes_ += size + 1;
    if (held_field_bytes_ > kFieldBytes) refusal_ = error_response(413, "limit", "the fields of the form are too long");
    if (!refusal_) request_.query.back().second.append(data, size);
    return MHD_YES;
}

void Exchange::store(const char* data, std::size_t size) {
    request_.body_bytes += static_cast<std::int64_t>(size);
    if (route_->body == Body::sink) {
        if (auto taken = sink_->take({data, size}); !taken) refusal_ = error_response(taken.error());
        return;
    }
    if (route_->body != Body::file) {
        held_ += static_cast<std::int64_t>(size);
        if ((state_.text_bytes += static_cast<std::int64_t>(size)) > state_.options.memory_bytes && size > 0)
            refusal_ =
                error_response(503, "memory", "too many large requests at this moment; try again in a few seconds");
        else
            request_.body.append(data, size);
        return;
    }
    while (size > 0) {
        const ssize_t put = ::write(file_, data, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) {
            refusal_ = error_response(507, "io", std::string("the body cannot be stored: ") + std::strerror(errno));
            return;
        }
        data += put;
        size -= static_cast<std::size_t>(put);
    }
}

MHD_Result Exchange::body(const char* data, std::size_t* size) {
    const std::size_t count = *size;
    *size = 0;
    taken_ += static_cast<std::int64_t>(count);
    if (answered_) return MHD_YES;
    if (!refusal_ && taken_ > most()) {
        refusal_ = error_response(
            413, "limit",
            "the body has more than " + std::to_string(most()) + " bytes, which is the most that is taken here");
    }
    // The library takes no answer before the body's end, so what a client may send is read to that: it hears why.
    if (refusal_) return taken_ <= (route_ ? most() : 0) + kDrained ? MHD_YES : MHD_NO;
    if (form_) {
        if (MHD_post_process(form_, data, count) == MHD_NO && !refusal_)
            refusal_ = error_response(400, "format", "the form cannot be read");
    } else {
        store(data, count);
    }
    return MHD_YES;
}

MHD_Result Exchange::end() {
    if (answered_) return MHD_YES;
    if (later_) return send(later_);  // resumed: the answer is there
    if (form_ && MHD_destroy_post_processor(std::exchange(form_, nullptr)) == MHD_NO && !refusal_)
        refusal_ = error_response(400, "format", "the form ends in the middle");
    if (form_ == nullptr && route_ && route_->body == Body::file && request_.file_name.empty() && saw_file_)
        request_.file_name = "picture";
    if (file_ >= 0) ::close(std::exchange(file_, -1));
    if (refusal_) {
        lost();
        return answer(std::move(*refusal_));
    }
    try {
        if (sink_) {
            Response response = std::exchange(sink_, nullptr)->finish(true);
            return answer(std::move(response));
        }
        return send(route_->handle(request_));
    } catch (const std::bad_alloc&) {
        return answer(error_response(503, "memory", "there is not enough memory at this moment"));
    } catch (const std::exception& e) {
        return answer(error_response(500, "internal", std::string("internal error: ") + e.what()));
    }
}

MHD_Result Exchange::send(Answer given) {
    if (!given.later) return answer(std::move(given.response));
    later_ = std::move(given.later);
    state_.wait_for(connection_, later_);
    std::unique_lock lock(later_->mutex_);
    if (!later_->response_ && state_.stopping)
        later_->response_ = error_response(503, "stopping", "the server is being stopped");
    if (!later_->response_) {
        later_->ready_ = [connection = connection_] { MHD_resume_connection(connection); };
        MHD_suspend_connection(connection_);
        return MHD_YES;
    }
    Response response = std::move(*later_->response_);
    later_->response_ = Response{};
    later_->ready_ = {};
    lock.unlock();
    later_ = nullptr;
    state_.phase(connection_, Connection::Phase::busy);
    return answer(std::move(response));
}

MHD_Result Exchange::answer(Response response) {
    answered_ = true;
    if (response.status >= 400 && state_.options.reword) state_.options.reword(request_.path, response);
    state_.count(route_ ? route_->pattern : "none", response.status);
    if (response.feed) state_.wait_for(connection_, response.feed);
    MHD_Response* made_response = made(state_, connection_, response);
    if (!made_response) return MHD_NO;
    bool cached = false;
    for (const auto& [name, value] : response.headers) {
        MHD_add_response_header(made_response, name.c_str(), value.c_str());
        cached = cached || name == "Cache-Control";
    }
    if (!cached) MHD_add_response_header(made_response, "Cache-Control", "no-store");
    MHD_add_response_header(made_response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(made_response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(made_response, "Referrer-Policy", "no-referrer");
    const MHD_Result queued = MHD_queue_response(connection_, static_cast<unsigned>(response.status), made_response);
    MHD_destroy_response(made_response);
    return queued;
}

}  // namespace serve
