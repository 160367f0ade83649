// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/preemption.h"

#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "plugins/node/cut.h"
#include "plugins/node/daemon.h"
#include "plugins/node/migration.h"
#include "plugins/node/session.h"
#include "plugins/os/error.h"

namespace holon::node {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// How long a task holds back a signal until it is known what it means. Less than KillWait, so that
// a job that is cancelled still hears of it.
constexpr auto longest_held = 12s;
// Between two questions about one job, whatever its tasks are sent.
constexpr auto between_asks = 2s;
constexpr int most_asks = 4;  // when the controller does not answer
constexpr auto ask_again_after = 5s;
// Slurm looks at time limits every half minute or so, and may send its warning as much earlier; and
// the controller's clock may be another.
constexpr std::int64_t early_s = 300;
// After its grace a job is killed within KillWait; where it is not, it runs on.
constexpr std::int64_t after_grace_s = 180;

constexpr const char* names[] = {"no", "saving", "saved", "ended", "failed"};

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace

json Preemption::view() const {
    return {{"state", names[static_cast<int>(state_)]}, {"answered", answered_}};
}

void Preemption::head_says(const json& view) {
    const auto state = view.at("state").get<std::string>();
    for (int i = 0; i < static_cast<int>(std::size(names)); ++i)
        if (state == names[i]) become(static_cast<Preempted>(i));
    answered_ = view.at("answered");
}

void Preemption::become(Preempted state) {
    if (state == state_) return;
    state_ = state;
    if (state_ == Preempted::ended)
        run_.end_sessions("it ends here, and goes on from its checkpoint when it starts again");
    run_.changed().notify_all();
}

json Preemption::warned_by(const std::string& step) const {
    const spec::Spec& spec = run_.prolog().spec;
    json signals = json::array();
    const auto add = [&signals](int signal, bool held) {
        signals.push_back({{"signal", signal}, {"held", held}});
    };
    if (!spec.checkpoints) return signals;
    if (step != "batch")
        add(SIGTERM, true);  // of grace: a program that ends by it could not be saved
    else if (spec.warn_signal != 0)
        add(static_cast<int>(spec.warn_signal), spec.warn_signal_is_ours);
    return signals;
}

std::uint64_t Preemption::hint() {
    ++hints_;
    run_.changed().notify_all();
    return hints_;
}

Task<void> Preemption::answer(std::shared_ptr<Run> run, Session* session, std::uint64_t id,
                              int number, bool held) {
    const std::uint64_t before = answered_;
    const std::uint64_t mine = run_.is_head() ? hint() : 0;
    const auto waited_enough = Clock::now() + longest_held;
    const auto known = [&] {
        if (state_ == Preempted::saving) return false;
        if (state_ != Preempted::no || run_.stopping() || run_.failed()) return true;
        if (Clock::now() >= waited_enough) return true;
        return run_.is_head() ? answered_ >= mine : answered_ > before;
    };
    while (!known())
        co_await run_.changed().wait(state_ == Preempted::saving ? Clock::time_point::max()
                                                                 : waited_enough);
    if (const auto found = run->sessions().find(session);
        found == run->sessions().end() || session->id() != id)
        co_return;
    // A warning that we asked for would end a script that knows nothing of it: only what is surely
    // somebody else's signal goes to it.
    const bool ours = held && number == static_cast<int>(run_.prolog().spec.warn_signal) &&
                      run_.prolog().spec.warn_signal_is_ours;
    const bool drop =
        state_ == Preempted::saved || state_ == Preempted::ended || (ours && innocent_ < mine);
    session->pass_on(number, drop);
}

// The extern step is sent what steps are sent, and ends by it; else it only ends with the job.
Task<void> Preemption::watch_extern_step(std::shared_ptr<Run> run) {
    pid_t last = 0;
    while (!run->stopping() && !run->failed()) {
        // A task of the batch step takes its place where the extern step has ended.
        const pid_t pid = run->container_pid();
        if (pid == 0 || pid == last) {
            co_await run->changed().wait();
            continue;
        }
        last = pid;
        const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
        if (pidfd >= 0) {
            asio::posix::stream_descriptor end(daemon_.io, pidfd);
            boost::system::error_code ignored;
            co_await end.async_wait(asio::posix::stream_descriptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, ignored));
        }
        // Of a job that has no task any more there is nothing to save: it has ended.
        if (run->stopping() || run->failed() || (run->ready() && run->sessions().empty())) continue;
        spdlog::info("job {}: its extern step has ended", run->name());
        hint();
    }
}

Task<void> Preemption::watch(std::shared_ptr<Run> run) {
    asio::co_spawn(daemon_.io, watch_extern_step(run), asio::detached);
    while (!run->stopping() && !run->failed()) {
        if (hints_ == answered_) {
            co_await run->changed().wait();
            continue;
        }
        const std::uint64_t upto = hints_;
        bool innocent = false;
        for (int asks = 1; asks <= most_asks && !run->stopping() && !run->failed(); ++asks) {
            std::string fault;
            try {
                innocent = co_await heed();
            } catch (const std::exception& error) {
                fault = error.what();
            }
            if (fault.empty()) break;
            spdlog::warn("job {}: is it preempted? {}", run->name(), fault);
            co_await pause(run, ask_again_after);
        }
        if (innocent) innocent_ = upto;
        answered_ = upto;
        run->changed().notify_all();
        co_await pause(run, between_asks);
    }
}

Task<void> Preemption::pause(std::shared_ptr<Run> run, Clock::duration length) {
    const auto until = Clock::now() + length;
    while (Clock::now() < until && !run->stopping() && !run->failed())
        co_await run->changed().wait(until);
}

Task<bool> Preemption::heed() {
    if (state_ != Preempted::no) co_return false;
    SlurmJob job;
    const std::uint32_t id = run_.job().id;
    co_await blocking(daemon_.pool, [&] { job = ask_about_job(id); });
    spdlog::info("job {}: Slurm may have announced something: it is {}, {}", run_.name(), job.state,
                 job.preempted_at != 0 ? "preempted" : "not preempted");
    // It may have been drained meanwhile.
    if (state_ != Preempted::no) co_return false;
    if (!job.runs() || run_.stopping() || run_.failed()) co_return false;
    const bool near_limit =
        job.ends_at != 0 && job.ends_at - now_s() <= run_.prolog().spec.warn_before_s + early_s;
    if (job.preempted_at == 0) {
        if (near_limit && run_.prolog().spec.checkpoint_before_s != 0)
            co_await save_before_limit(job);
        co_return !near_limit;
    }
    become(Preempted::saving);
    while (!run_.ready() && !run_.stopping() && !run_.failed()) co_await run_.changed().wait();
    std::string fault;
    try {
        co_await save(job);
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (fault.empty()) co_return false;
    spdlog::warn("job {}: preempted, and not saved: {}", run_.name(), fault);
    run_.tell_user(
        fmt::format("preempted: no checkpoint: {}; the job runs on until Slurm ends it", fault));
    become(Preempted::failed);
    co_return false;
}

// The job runs on to its end; what it does meanwhile is done again if it goes on from here.
Task<void> Preemption::save_before_limit(SlurmJob job) {
    std::string fault;
    std::shared_ptr<Cut> cut;
    try {
        while (run_.cut() && !run_.cut()->over()) co_await run_.changed().wait();
        cut = run_.checkpoint();
        while (!cut->over()) co_await run_.changed().wait();
        fault = cut->failure();
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty())
        run_.tell_user(
            fmt::format("no checkpoint before the time limit: {}; the job runs on", fault));
    else
        run_.tell_user(fmt::format(
            "saved as checkpoint {}, {} seconds before the time limit; to go on from there: "
            "sbatch --vm-restart={} SCRIPT",
            cut->number(), std::max<std::int64_t>(job.ends_at - now_s(), 0), run_.job().id));
}

// Then all is on disk and the VMs stand.
Task<std::shared_ptr<Cut>> Preemption::save_to_end() {
    // One that has begun leaves the VMs running: what they did since would be lost.
    while ((run_.cut() && !run_.cut()->over()) || run_.migration().moving())
        co_await run_.changed().wait();
    const auto cut = run_.checkpoint(true);
    while (!cut->over()) co_await run_.changed().wait();
    if (!cut->failure().empty()) throw Error("{}", cut->failure());
    co_return cut;
}

Task<std::uint32_t> Preemption::leave(std::shared_ptr<Run> run) {
    const std::uint32_t id = run->job().id;
    if (!run->is_head()) throw Error("job {}: ask its first node, {}", id, run->head());
    if (!run->prolog().spec.checkpoints)
        throw Error("job {}: it has no --vm-checkpoint and would begin anew; it runs on", id);
    if (run->prolog().spec.script_on_host)
        throw Error("job {}: its script runs on the host and would begin anew; it runs on", id);
    if (state_ != Preempted::no) throw Error("job {}: it is preempted, and ends by itself", id);
    SlurmJob job;
    co_await blocking(daemon_.pool, [&] { job = ask_about_job(id); });
    if (!job.batch || !job.requeue)
        throw Error("job {}: Slurm requeues no such job (srun, salloc or --no-requeue); it runs on",
                    id);
    if (state_ != Preempted::no) throw Error("job {}: it is preempted, and ends by itself", id);
    become(Preempted::saving);
    std::string fault;
    std::shared_ptr<Cut> cut;  // the run may be gone by the time that Slurm has answered
    try {
        cut = co_await save_to_end();
        co_await blocking(daemon_.pool, [&] { node::requeue(job); });
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) {
        if (cut) cut->let_go();
        become(Preempted::no);
        hint();  // it may have been preempted meanwhile
        throw Error("job {}: {}; it runs on", id, fault);
    }
    const std::uint32_t number = cut->number();
    spdlog::info("job {}: saved as checkpoint {} and requeued", run->name(), number);
    become(Preempted::ended);
    co_return number;
}

Task<void> Preemption::save(SlurmJob job) {
    const std::shared_ptr<Cut> cut = co_await save_to_end();
    become(Preempted::saved);
    co_await saved(job, cut);
}

// All is on disk and the VMs stand.
Task<void> Preemption::saved(SlurmJob job, std::shared_ptr<Cut> cut) {
    const std::uint32_t id = run_.job().id;
    SlurmPartition partition;
    std::string fault;
    bool requeued = false;
    try {
        co_await blocking(daemon_.pool, [&] { partition = ask_about_partition(job.partition); });
        if (job.batch && job.requeue && partition.requeues && !run_.stopping() &&
            !run_.prolog().spec.script_on_host) {
            co_await blocking(daemon_.pool, [&] { node::requeue(job); });
            requeued = true;
        }
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) spdlog::warn("job {}: not requeued at once: {}", run_.name(), fault);
    if (requeued) {
        spdlog::info("job {}: preempted, saved as checkpoint {} and requeued", run_.name(),
                     cut->number());
        become(Preempted::ended);
        co_return;
    }
    run_.tell_user(
        job.batch && job.requeue && !run_.prolog().spec.script_on_host &&
                (partition.requeues || !fault.empty())
            ? fmt::format("preempted, and saved as checkpoint {}; it goes on from there",
                          cut->number())
        : job.batch
            ? fmt::format("preempted, and saved as checkpoint {}; to go on from there: sbatch "
                          "--vm-restart={} SCRIPT",
                          cut->number(), id)
            : fmt::format(
                  "preempted, and saved as checkpoint {}; sbatch --vm-restart={} SCRIPT runs "
                  "SCRIPT in these VMs as they are now",
                  cut->number(), id));
    // Slurm ends the job where it stands.
    const std::int64_t until = job.preempted_at + partition.grace_s + after_grace_s;
    const auto deadline =
        Clock::now() + std::chrono::seconds(std::max<std::int64_t>(until - now_s(), 1));
    while (Clock::now() < deadline && !run_.stopping() && !run_.failed())
        co_await run_.changed().wait(deadline);
    if (run_.stopping() || run_.failed()) co_return;
    spdlog::warn("job {}: preempted, but not ended: it runs on", run_.name());
    cut->let_go();
    become(Preempted::no);
}

}  // namespace holon::node
