"""What every environment shares. docs/settings.md explains each variable read here."""

from __future__ import annotations

from email.utils import formataddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from portal import logs
from portal.settings import environment

BASE_DIR = Path(__file__).resolve().parent.parent.parent

# --- who we are -------------------------------------------------------------------------------------------------

DEBUG = False
SECRET_KEY = environment.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = environment.texts("SECRET_KEY_FALLBACKS")
PUBLIC_URL = environment.text("PUBLIC_URL").rstrip("/")
SITE_TITLE = environment.text("SITE_TITLE", "openEO Credits")
#: Files that stand in place of our sign: svg, png, webp or jpeg, on light pages and, where it differs, on dark ones.
SITE_LOGO = environment.text("SITE_LOGO", "")
SITE_LOGO_DARK = environment.text("SITE_LOGO_DARK", "")
#: What the logo says; empty: it says nothing, and the title stands beside it.
SITE_LOGO_ALT = environment.text("SITE_LOGO_ALT", "")
#: A hue, #rrggbb or oklch(…); see portal.colours. Empty: our blue.
SITE_ACCENT = environment.text("SITE_ACCENT", "")
#: Where people ask when no page answers: https://… or mailto:…; empty: nowhere.
SUPPORT_URL = environment.text("SUPPORT_URL", "")
#: /styleguide/ for whoever works on the pages; production refuses to start with it.
STYLEGUIDE = environment.switch("STYLEGUIDE", default=False)
#: Folder that may have DejaVu Sans, the font of PDF documents; without it they know Western Latin letters only.
DOCUMENT_FONTS = environment.text("DOCUMENT_FONTS", "/usr/share/fonts/truetype/dejavu")
ALLOWED_HOSTS = environment.texts("ALLOWED_HOSTS", urlsplit(PUBLIC_URL).hostname or "")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
#: Demonstration people, tariffs and hints on the pages; production refuses to start with it.
DEMONSTRATION = environment.switch("DEMONSTRATION", default=False)

# --- applications -----------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "portal",
    "marketplace",
    "accounting",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
]

# The request line is outermost so that it sees every answer, also those that another middleware gives.
MIDDLEWARE = [
    "portal.middleware.RequestLog",
    "portal.middleware.Transport",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.page_middleware.Policy",
    "portal.page_middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "portal.page_middleware.SessionAge",
    "portal.page_middleware.People",
    "portal.page_middleware.Tongue",
    "portal.page_middleware.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "portal.page_middleware.Htmx",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
# The existing clients post to addresses without a trailing slash: a redirect would turn their POST into a GET.
APPEND_SLASH = False

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "portal.contexts.frame.processor",
            ],
        },
    }
]

# --- database ---------------------------------------------------------------------------------------------------

DATABASE_APP_ROLE = environment.text("DATABASE_APP_ROLE", "")
DATABASE_STATEMENT_TIMEOUT_MS = environment.whole("DATABASE_STATEMENT_TIMEOUT_MS", 5000)
DATABASE_LOCK_TIMEOUT_MS = environment.whole("DATABASE_LOCK_TIMEOUT_MS", 3000)
DATABASE_IDLE_TRANSACTION_TIMEOUT_MS = environment.whole("DATABASE_IDLE_TRANSACTION_TIMEOUT_MS", 30000)

DATABASES = {
    "default": {
        **environment.database("DATABASE_URL"),
        # Money is one statement or one explicit transaction; a transaction around each view would hold locks while
        # an answer is rendered.
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": environment.whole("DATABASE_CONN_MAX_AGE", 60),
        # A check would cost a round trip on every request. A connection that died is noticed when it is used, the
        # caller gets 503 with Retry-After, and portal.connections drops every other one of the process.
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {
            "application_name": "openeo-credits",
            "connect_timeout": 3,
            "keepalives": 1,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            # Compiling a statement takes longer than any of ours runs.
            "options": (
                f"-c jit=off -c statement_timeout={DATABASE_STATEMENT_TIMEOUT_MS}"
                f" -c lock_timeout={DATABASE_LOCK_TIMEOUT_MS}"
                f" -c idle_in_transaction_session_timeout={DATABASE_IDLE_TRANSACTION_TIMEOUT_MS}"
            ),
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": environment.cache("CACHE_URL", "locmemcache://")}

# --- time and language ------------------------------------------------------------------------------------------

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
#: English, and every language that has a folder in locale/.
LANGUAGES = environment.languages(BASE_DIR / "locale")
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"

# --- people and sessions ----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = ["portal.oidc.Backend"]
LOGIN_URL = "/oidc/authenticate/"
LOGIN_REDIRECT_URL = "/dashboard/"
LOGOUT_REDIRECT_URL = "/"

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = environment.whole("SESSION_HOURS", 8, least=1) * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "portal.api.errors.csrf_failure"
FORM_RENDERER = "portal.forms.renderer.Renderer"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- sign-in (authorization code with PKCE, one provider) ---------------------------------------------------------

#: As the provider spells it, slash and all: ID tokens must carry exactly this text. Everything else is discovered.
OIDC_ISSUER = environment.text("OIDC_ISSUER")
OIDC_RP_CLIENT_ID = environment.text("OIDC_RP_CLIENT_ID")
OIDC_RP_CLIENT_SECRET = environment.text("OIDC_RP_CLIENT_SECRET")
OIDC_RP_SCOPES = environment.text("OIDC_RP_SCOPES", "openid profile email voperson_id eduperson_entitlement")
#: What the button of the landing page calls the provider.
OIDC_TITLE = environment.text("OIDC_TITLE", "EGI Check-in")
OIDC_RP_SIGN_ALGO = environment.text("OIDC_RP_SIGN_ALGO", "RS256")
# The sign-in always does the following; the library reads them in the parts that portal.oidc leaves to it.
OIDC_USE_PKCE = True
OIDC_PKCE_CODE_CHALLENGE_METHOD = "S256"
OIDC_USE_NONCE = True
OIDC_VERIFY_JWT = True
OIDC_VERIFY_KID = True
OIDC_VERIFY_SSL = True
OIDC_ALLOW_UNSECURED_JWT = False
OIDC_TIMEOUT = environment.whole("OIDC_TIMEOUT", 5, least=1)
OIDC_STORE_ACCESS_TOKEN = False
OIDC_STORE_ID_TOKEN = False
#: Role or whole URN -> plan, the preferred one first, e.g. {"Early_Adopter": "early-adopter", "": "member"}.
PLANS_BY_ENTITLEMENT = environment.document("PLANS_BY_ENTITLEMENT", "{}")
#: The plan of people without such an entitlement.
DEFAULT_PLAN = environment.text("DEFAULT_PLAN", "free")
#: Role or whole URN that lets somebody see the admin; empty: nobody.
STAFF_ENTITLEMENT = environment.text("STAFF_ENTITLEMENT", "")

# --- terms of use -----------------------------------------------------------------------------------------------

#: People are asked to accept this version; empty: there are no terms.
TERMS_VERSION = environment.text("TERMS_VERSION", "")
TERMS_URL = environment.text("TERMS_URL", "")

# --- access tokens on the APIs ------------------------------------------------------------------------------------

#: Objects {"id", "issuer", "title"?, "audiences"?, "clients"?, "jwks_uri"?, "introspection"?}; see portal.api.issuers.
TOKEN_ISSUERS = environment.document("TOKEN_ISSUERS", "[]")
DEFAULT_USER_ISSUER = environment.text("DEFAULT_USER_ISSUER", OIDC_ISSUER).rstrip("/")

# --- the APIs -----------------------------------------------------------------------------------------------------

ETL_MOUNT = environment.text("ETL_MOUNT", "").strip("/")
ADMIN_PATH = environment.text("ADMIN_PATH", "operate/records").strip("/")
CREDIT_EURO = environment.amount("CREDIT_EURO", "0.01")
#: The most open holds of an organisation that has no bound of its own.
HOLD_MAX_OPEN = environment.whole("HOLD_MAX_OPEN", 1000, least=1)
#: How long the link of an invitation to an organisation works.
INVITATION_DAYS = environment.whole("INVITATION_DAYS", 7, least=1)
#: What openEO clients show behind "Recharge", and behind the names of the plans.
TOP_UP_URL = environment.text("TOP_UP_URL", f"{PUBLIC_URL}/dashboard/")
PLANS_URL = environment.text("PLANS_URL", f"{PUBLIC_URL}/")
#: How accounting, which knows nobody's name, asks for the one of its person with this primary key.
NAME_OF_PERSON = "portal.people.name_of"
THROTTLE_PER_MINUTE = environment.whole("THROTTLE_PER_MINUTE", 6000, least=1)
THROTTLE_ETL_PER_MINUTE = environment.whole("THROTTLE_ETL_PER_MINUTE", 0)

#: The most any route takes; each view has a smaller bound of its own (portal.api.parsers).
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 5

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.api.auth.BearerAuthentication"],
    # A view that does not say who may call it may be called by nobody.
    "DEFAULT_PERMISSION_CLASSES": ["portal.api.permissions.DenyAll"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["portal.api.renderers.JSONRenderer", "portal.api.renderers.ProblemRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["portal.api.throttles.PrincipalThrottle"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "portal.api.renderers.JSONNegotiation",
    "DEFAULT_PAGINATION_CLASS": "portal.api.pagination.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "portal.api.schema.DocumentedSchema",
    "EXCEPTION_HANDLER": "portal.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "URL_FORMAT_OVERRIDE": None,
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.0",
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "POSTPROCESSING_HOOKS": [],
}

# --- static files -------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = environment.text("STATIC_ROOT", str(BASE_DIR / "static_root"))
STATICFILES_DIRS = [folder for folder in [BASE_DIR / "static_build"] if folder.is_dir()]

# --- tasks --------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = environment.text("CELERY_BROKER_URL")
CELERY_BROKER_FOLDER = environment.text("CELERY_BROKER_FOLDER", str(BASE_DIR / ".local" / "broker"))

#: Where callbacks may go besides the public internet: networks of back ends, e.g. 10.20.0.0/16.
CALLBACK_ALLOWED_NETWORKS = environment.networks("CALLBACK_ALLOWED_NETWORKS")

# --- mail ---------------------------------------------------------------------------------------------------------

#: Where mail goes: smtp+tls://user:password@host:587, smtps://…:465; without it mail is kept and shown, not sent.
_MAIL = environment.mail("EMAIL_URL", "dummymail://")
EMAIL_BACKEND = _MAIL["EMAIL_BACKEND"]
EMAIL_HOST = _MAIL["EMAIL_HOST"]
EMAIL_PORT = _MAIL["EMAIL_PORT"]
EMAIL_HOST_USER = _MAIL["EMAIL_HOST_USER"]
EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS = _MAIL["EMAIL_USE_TLS"]
EMAIL_USE_SSL = _MAIL["EMAIL_USE_SSL"]
#: Seconds that each step of the conversation with the server may take.
EMAIL_TIMEOUT = environment.whole("EMAIL_TIMEOUT", 10, least=1)
DEFAULT_FROM_EMAIL = environment.text(
    "DEFAULT_FROM_EMAIL", formataddr((SITE_TITLE, f"no-reply@{urlsplit(PUBLIC_URL).hostname}"))
)

# --- readiness ----------------------------------------------------------------------------------------------------

#: Seconds since a worker's last sign of life, and since the oldest undelivered event, that still count as ready.
READY_MAX_WORKER_LAG = environment.whole("READY_MAX_WORKER_LAG", 120, least=1)
READY_MAX_OUTBOX_AGE = environment.whole("READY_MAX_OUTBOX_AGE", 300, least=1)

# --- headers ------------------------------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
if environment.switch("TRUST_PROXY_TLS", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

_PROVIDER = urlsplit(OIDC_ISSUER)
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        # Signing in and out are forms whose answer redirects to the provider: browsers hold that to form-action too.
        "form-action": [SELF, f"{_PROVIDER.scheme}://{_PROVIDER.netloc}"],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- logs ---------------------------------------------------------------------------------------------------------

LOG_LEVEL = environment.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = environment.choice("LOG_FORMAT", "json", ("json", "console"))
LOGGING = logs.configuration(LOG_LEVEL, LOG_FORMAT)
LOGGING_CONFIG = "portal.logs.configure"
