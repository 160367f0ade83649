// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/job_submit/checkpoint_rules.h"

#include <gmock/gmock.h>

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
}

TEST(CheckpointRules, AJobThatIsNeverPreemptedIsNotSignalled) {
    EXPECT_EQ(saving_of(batch(), {{"top", 60, false}}, site()).signal, std::nullopt);
}

TEST(CheckpointRules, AnotherSignalOfTheUserStaysAndIsWarnedOf) {
    Life life = batch();
    life.signal = 12;
    const Saving saving = saving_of(life, {{"low", 60, true}}, site());
    EXPECT_EQ(saving.signal, std::nullopt);
    EXPECT_THAT(saving.warnings, ElementsAre(HasSubstr("--signal")));
    life.signal = 10;
    life.signal_batch = true;
    EXPECT_THAT(saving_of(life, {{"low", 60, true}}, site()).warnings, IsEmpty());
}

TEST(CheckpointRules, ASiteThatSendsNoSignalIsWarnedOf) {
    SavingSite silent = site();
    silent.user_signal_sent = false;
    const Saving saving = saving_of(batch(), {{"low", 60, true}}, silent);
    EXPECT_EQ(saving.signal, std::nullopt);
    EXPECT_THAT(saving.warnings, ElementsAre(HasSubstr("send_user_signal")));
}

}  // namespace
}  // namespace holon::job_submit
