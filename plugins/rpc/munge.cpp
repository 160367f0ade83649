// SPDX-License-Identifier: GPL-2.0-or-later
#include <munge.h>

#include <cstdlib>
#include <memory>

#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"

namespace holon::rpc {
namespace {

struct Context {
    munge_ctx_t ctx = ::munge_ctx_create();
    Context() {
        if (ctx == nullptr) throw Error("munge: out of memory");
    }
    ~Context() { ::munge_ctx_destroy(ctx); }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    [[noreturn]] void fail(munge_err_t error) const {
        const char* words = ::munge_ctx_strerror(ctx);
        throw Error("munge: {}", words ? words : ::munge_strerror(error));
    }
};

std::string encode(const Context& context, std::string_view text) {
    char* credential = nullptr;
    munge_err_t error =
        ::munge_encode(&credential, context.ctx, text.data(), static_cast<int>(text.size()));
    if (error != EMUNGE_SUCCESS) context.fail(error);
    std::unique_ptr<char, decltype(&std::free)> owned(credential, &std::free);
    return credential;
}

}  // namespace

std::string seal(std::string_view text) { return encode(Context(), text); }

std::string seal(std::string_view text, uid_t only_for) {
    Context context;
    munge_err_t error = ::munge_ctx_set(context.ctx, MUNGE_OPT_UID_RESTRICTION, only_for);
    if (error != EMUNGE_SUCCESS) context.fail(error);
    return encode(context, text);
}

uid_t open(std::string_view sealed, std::string& text) {
    Context context;
    void* payload = nullptr;
    int length = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    munge_err_t error =
        ::munge_decode(std::string(sealed).c_str(), context.ctx, &payload, &length, &uid, &gid);
    std::unique_ptr<void, decltype(&std::free)> owned(payload, &std::free);
    if (error != EMUNGE_SUCCESS) context.fail(error);
    text.assign(static_cast<const char*>(payload), static_cast<size_t>(length));
    return uid;
}

}  // namespace holon::rpc
