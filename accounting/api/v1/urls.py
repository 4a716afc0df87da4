"""Addresses below /api/v1/, without a trailing slash."""

from __future__ import annotations

from django.urls import path

from accounting.api.v1.balance import BalanceView
from accounting.api.v1.callbacks import CallbackDeliveriesView, CallbackView
from accounting.api.v1.entries import EntriesView
from accounting.api.v1.estimates import ComparisonView, EstimateCalibrationView, EstimatesView
from accounting.api.v1.holds import (
    CaptureView,
    ExtendView,
    HeartbeatView,
    HoldReceiptView,
    HoldsView,
    HoldView,
    ReleaseView,
)
from accounting.api.v1.jobs import JobsView, JobView
from accounting.api.v1.openeo import BillingView, MeView
from accounting.api.v1.openeo_estimate import OpenEoEstimateView
from accounting.api.v1.prechecks import PrecheckView
from accounting.api.v1.quotes import QuoteView
from accounting.api.v1.tariffs import TariffsView, TariffView
from accounting.api.v1.usage_reports import UsageReportBatchView, UsageReportView

urlpatterns = [
    path("usage-reports", UsageReportView.as_view(), name="usage-reports"),
    path("usage-reports/batch", UsageReportBatchView.as_view(), name="usage-report-batch"),
    path("precheck", PrecheckView.as_view(), name="precheck"),
    path("holds", HoldsView.as_view(), name="holds"),
    path("holds/<str:hold>", HoldView.as_view(), name="hold"),
    path("holds/<str:hold>/receipt", HoldReceiptView.as_view(), name="hold-receipt"),
    path("holds/<str:hold>/heartbeat", HeartbeatView.as_view(), name="hold-heartbeat"),
    path("holds/<str:hold>/capture", CaptureView.as_view(), name="hold-capture"),
    path("holds/<str:hold>/extend", ExtendView.as_view(), name="hold-extend"),
    path("holds/<str:hold>/release", ReleaseView.as_view(), name="hold-release"),
    path("quotes", QuoteView.as_view(), name="quotes"),
    path("balance", BalanceView.as_view(), name="balance"),
    path("callbacks", CallbackView.as_view(), name="callback"),
    path("callbacks/deliveries", CallbackDeliveriesView.as_view(), name="callback-deliveries"),
    path("entries", EntriesView.as_view(), name="entries"),
    path("jobs", JobsView.as_view(), name="jobs"),
    path("openeo/billing", BillingView.as_view(), name="openeo-billing"),
    path("openeo/me", MeView.as_view(), name="openeo-me"),
    path("jobs/<path:source>/<str:job_id>", JobView.as_view(), name="job"),
    path("tariffs", TariffsView.as_view(), name="tariffs"),
    path("tariffs/<str:tariff>", TariffView.as_view(), name="tariff"),
    path("estimates", EstimatesView.as_view(), name="cost-estimates"),
    path("estimates/comparison", ComparisonView.as_view(), name="estimate-comparison"),
    path("estimates/calibration", EstimateCalibrationView.as_view(), name="estimate-calibration"),
    path("openeo/estimate", OpenEoEstimateView.as_view(), name="openeo-estimate"),
]
