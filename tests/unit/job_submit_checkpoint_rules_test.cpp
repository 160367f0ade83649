// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/job_submit/checkpoint_rules.h"

#include <gmock/gmock.h>

#include "plugins/os/error.h"

namespace holon::job_submit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Life batch() {
    Life life;
    life.batch = true;
    life.memory_mb = 10'000;
    return life;
}

SavingSite site() {
    SavingSite site;
    site.save_mb_per_s = 500;
    site.stop_s = 2;
    site.user_signal_sent = true;
    return site;
}

TEST(CheckpointRules, TheJobIsRequeuedAndItsOutputGoneOnWith) {
    const Saving saving = saving_of(batch(), {}, site());
    EXPECT_EQ(saving.requeue, true);
    EXPECT_EQ(saving.open_mode, OpenMode::append);
    EXPECT_FALSE(saving.wished_no_requeue);
    EXPECT_TRUE(saving.wished_truncate);  // as Slurm does without a word
    SavingSite appending = site();
    appending.append_by_default = true;
    EXPECT_FALSE(saving_of(batch(), {}, appending).wished_truncate);
    EXPECT_THAT(saving.warnings, IsEmpty());
}

TEST(CheckpointRules, TheUsersOwnWishIsRecorded) {
    Life life = batch();
    life.requeue = false;
    life.open_mode = OpenMode::truncate;
    const Saving saving = saving_of(life, {}, site());
    EXPECT_EQ(saving.requeue, true);
    EXPECT_TRUE(saving.wished_no_requeue);
    EXPECT_TRUE(saving.wished_truncate);
}

TEST(CheckpointRules, WhatIsAsItShouldBeIsLeftAlone) {
    Life life = batch();
    life.requeue = true;
    life.open_mode = OpenMode::append;
    const Saving saving = saving_of(life, {}, site());
    EXPECT_EQ(saving.requeue, std::nullopt);
    EXPECT_EQ(saving.open_mode, std::nullopt);
}

TEST(CheckpointRules, AnInteractiveJobHasNoOutputToGoOnWith) {
    Life life = batch();
    life.batch = false;
    EXPECT_EQ(saving_of(life, {}, site()).open_mode, std::nullopt);
}

TEST(CheckpointRules, AGraceThatIsTooShortIsWarnedOf) {
    EXPECT_THAT(
        saving_of(batch(), {{"low", 10, true}}, site()).warnings,
        ElementsAre(HasSubstr("partition low: its GraceTime of 10 s is shorter than the 22 s")));
    EXPECT_THAT(saving_of(batch(), {{"low", 22, true}}, site()).warnings, IsEmpty());
    Life unknown = batch();
    unknown.memory_mb = 0;
    EXPECT_THAT(saving_of(unknown, {{"low", 0, true}}, site()).warnings,
                ElementsAre(HasSubstr("GraceTime of 0 s")));
    EXPECT_THAT(saving_of(batch(), {{"top", 0, false}}, site()).warnings, IsEmpty());
}

TEST(CheckpointRules, NodesSaveAtTheSameTime) {
    SavingSite four = site();
    four.nodes = 4;
    EXPECT_EQ(save_seconds(10'000, four), 2u + 5u);
    EXPECT_EQ(save_seconds(0, four), 2u);
    four.save_mb_per_s = 0;
    EXPECT_EQ(save_seconds(4, four), 3u);
}

TEST(CheckpointRules, ABatchJobThatCanBePreemptedIsSignalled) {
    const Saving saving = saving_of(batch(), {{"low", 60, true}}, site());
    EXPECT_EQ(saving.signal, (Saving::Signal{10, 22}));
    EXPECT_EQ(saving.warn_signal, 10u);
}

TEST(CheckpointRules, AJobThatIsNeverPreemptedIsNotSignalled) {
    EXPECT_EQ(saving_of(batch(), {{"top", 60, false}}, site()).signal, std::nullopt);
}

TEST(CheckpointRules, ASignalOfTheUsersStaysAsItIs) {
    Life life = batch();
    life.signal = 12;
    Saving saving = saving_of(life, {{"low", 60, true}}, site());
    EXPECT_EQ(saving.signal, std::nullopt);
    EXPECT_EQ(saving.warn_signal, 0u);  // the script does not get it
    life.signal_batch = true;
    saving = saving_of(life, {{"low", 60, true}}, site());
    EXPECT_EQ(saving.signal, std::nullopt);
    EXPECT_EQ(saving.warn_signal, 12u);
    EXPECT_THAT(saving.warnings, IsEmpty());
}

TEST(CheckpointRules, AJobThatIsSavedBeforeItsTimeLimitIsSignalledThen) {
    Life life = batch();
    life.save_before_s = 300;
    check_before(life);
    SavingSite silent = site();
    silent.user_signal_sent = false;  // of preemption; time limits are always announced
    EXPECT_EQ(saving_of(life, {}, silent).signal, (Saving::Signal{10, 300}));
    EXPECT_EQ(saving_of(life, {{"low", 60, true}}, site()).signal, (Saving::Signal{10, 300}));
}

TEST(CheckpointRules, WhatCannotBeSavedBeforeItsTimeLimitIsRefused) {
    Life life = batch();
    life.save_before_s = 300;
    life.signal = 12;
    EXPECT_THROW(check_before(life), Error);
    life.signal = 0;
    life.script_on_host = true;
    EXPECT_THROW(check_before(life), Error);
    life.script_on_host = false;
    life.batch = false;
    EXPECT_THROW(check_before(life), Error);
}

TEST(CheckpointRules, AScriptThatRunsOnTheHostIsNotSignalled) {
    Life life = batch();
    life.script_on_host = true;
    EXPECT_EQ(saving_of(life, {{"low", 60, true}}, site()).signal, std::nullopt);
}

TEST(CheckpointRules, NoSignalIsSetWhereTheSiteSendsNone) {
    SavingSite silent = site();
    silent.user_signal_sent = false;
    const Saving saving = saving_of(batch(), {{"low", 60, true}}, silent);
    EXPECT_EQ(saving.signal, std::nullopt);
    EXPECT_THAT(saving.warnings, IsEmpty());  // the end of the extern step tells
}

}  // namespace
}  // namespace holon::job_submit
