#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 1200
#
# Claim: whatever is in the files, whatever goes bad, whenever the daemon is killed and however the
# platform refuses: when all is repaired, each byte of each file is what it was, or a zero that the
# ledger lists as lost. tests/vm/model says what else holds.
#
# guest --append "model_seed=N model_rounds=N" --timeout SEC takes another seed, and more rounds;
# model_seed=random any, which is printed; model_fs=ext4 another filesystem.

. "$SRCDIR/tests/vm/lib.sh"

seed=1 rounds=3 fs=xfs
for word in $(< /proc/cmdline); do
	case $word in
	model_seed=*)	seed=${word#*=} ;;
	model_rounds=*)	rounds=${word#*=} ;;
	model_fs=*)	fs=${word#*=} ;;
	esac
done
[ "$seed" != random ] || seed=$((RANDOM * 32768 + RANDOM))
echo "# seed $seed, $rounds rounds, $fs"

bed_up "$fs"
mkdir -p "$HWP/state"
write_conf '[Rule all]' 'Repair=zero'
# Python's own byte code has no place to go: the source is read-only here.
run_model() {
	python3 -B "$SRCDIR/tests/vm/model" --mountpoint $MNT --directory "$HWP" --seed "$seed" \
		--rounds "$rounds" --daemon "$HWPOISOND" --crashpoint "$VM_CACHE/crashpoint.so" \
		--holdfile "$HOLDFILE" | tee "$HWP/model.out"
	return "${PIPESTATUS[0]}"
}
if run_model; then
	pass "each byte is what it was, or a zero on record"
else
	fail "each byte is what it was, or a zero on record: model_seed=$seed"
fi
check_equal "all rounds ran" "$rounds" "$(grep -c '^# round' "$HWP/model.out")"
done_checks
