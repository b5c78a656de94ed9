//! The texts of the pages in French. It never depends on a request.

use crate::answer::texts::Text;

/// A text in French.
pub(super) const fn french(text: Text) -> &'static str {
    match text {
        Text::SignIn => "Se connecter",
        Text::TryAgain => "Réessayer",
        Text::FrontPage => "Aller à la page d’accueil",
        Text::SignOut => "Se déconnecter",
        Text::AskForAccess => "Demander l’accès",
        Text::AnotherAccount => "Utiliser un autre compte",
        Text::Request => "demande",
        Text::SignedInAs => "Compte utilisé\u{a0}: {name}.",
        Text::WhatCounts => "Ce qui compte ici\u{a0}: {claims}.",
        Text::HowToAsk => {
            "Pour demander l’accès, écrivez aux responsables de ce site et donnez-leur le numéro de demande ci-dessous."
        }
        Text::NotTaken => {
            "Ce que vous avez envoyé n’a pas été pris en compte. Revenez en arrière pour le copier avant de vous connecter."
        }
        Text::MissingCookies => "Ces cookies ne sont pas arrivés\u{a0}: {cookies}.",
        Text::MixedCookies => "Les cookies reçus ne vont pas ensemble.",
        Text::CameByHttp => {
            "D’après ce que ce site peut voir, la demande est arrivée en http\u{a0}; or les navigateurs n’envoient ces cookies qu’en https."
        }

        Text::DiagnosisHeading => "Pour les responsables de ce site",

        Text::SignedInHeading => "Connexion réussie",
        Text::SignedInText => "Vous pouvez fermer cette fenêtre.",

        Text::SessionMissingHeading => "Veuillez vous connecter",
        Text::SessionMissingText => "Cette page est réservée aux personnes connectées.",
        Text::SessionExpiredHeading => "Votre session est terminée",
        Text::SessionExpiredText => "Elle a pris fin au bout d’un certain temps. Reconnectez-vous pour continuer.",
        Text::SignInAgainHeading => "Veuillez vous reconnecter",
        Text::SessionInvalidText => {
            "La session envoyée par votre navigateur n’est pas lisible ici, par exemple à la suite d’un changement de notre côté."
        }
        Text::AuthenticationInsufficientText => {
            "Pour cette page, vous devez vous connecter à nouveau, ou par un moyen plus sûr que celui que vous avez utilisé."
        }
        Text::SessionAmbiguousHeading => "Deux sessions à la fois",
        Text::SessionAmbiguousText => {
            "Votre navigateur a envoyé deux cookies de session différents, dont l’un n’est peut-être pas le vôtre. Supprimez les cookies de ce site et du domaine dont il dépend, puis reconnectez-vous."
        }

        Text::TokenMissingHeading => "Un jeton est nécessaire",
        Text::TokenMissingText => "Envoyez un jeton d’accès (bearer) dans l’en-tête Authorization.",
        Text::TokenExpiredHeading => "Le jeton a expiré",
        Text::TokenExpiredText => "Demandez un nouveau jeton.",
        Text::TokenInvalidHeading => "Le jeton n’est pas accepté",
        Text::TokenInvalidText => "Ce n’est pas un jeton pour ce service.",
        Text::AudienceMissingText => "Ce n’est pas un jeton pour cette partie du service.",
        Text::TokenAmbiguousHeading => "Un seul jeton, s’il vous plaît",
        Text::TokenAmbiguousText => {
            "Envoyez un seul jeton d’accès (bearer), dans l’en-tête Authorization et nulle part ailleurs."
        }
        Text::IntrospectionUnavailableHeading => "Le jeton ne peut pas être vérifié pour le moment",
        Text::InAMomentText => "Veuillez réessayer dans un instant.",

        Text::AccessDeniedHeading => "Accès refusé",
        Text::StepUpFailedText => {
            "Cette page demande une connexion plus sûre, ou plus récente, que celle établie par le service de connexion."
        }
        Text::ScopeMissingText => "Le jeton n’a pas la portée (scope) demandée ici.",
        Text::ConditionFailedText => "Votre compte ne fait pas partie de ceux qui peuvent ouvrir cette page.",
        Text::ProviderMismatchText => {
            "Pour cette page, vous devez vous connecter auprès d’un autre fournisseur que celui que vous avez utilisé."
        }
        Text::UpstreamTokenRefusedText => {
            "Le service de connexion ne permet pas à votre compte d’utiliser le service auquel cette page donne accès."
        }
        Text::CrossSiteHeading => "Demande extérieure à ce site",
        Text::OriginRefusedText => {
            "Une page d’un autre site a envoyé cette demande, et ce site n’a pas le droit d’appeler ce service."
        }
        Text::McpCallText => "Cet appel d’un outil ne peut pas être traité sous la forme reçue.",
        Text::ResourceUnknownHeading => "Rien à cette adresse",
        Text::ResourceUnknownText => "Aucun service n’a sa description à cette adresse.",
        Text::CrossSiteText => "Rien ne montre que cette demande vient bien de ce site\u{a0}; elle n’a donc pas été exécutée.",
        Text::SignOutHeading => "Se déconnecter\u{a0}?",
        Text::SignOutText => {
            "Cette adresse a été saisie, ou ouverte depuis un favori ou un autre site\u{a0}: rien n’a été fait pour l’instant. Voulez-vous vous déconnecter\u{a0}?"
        }
        Text::SignOutIncompleteHeading => "La déconnexion est incomplète",
        Text::SignOutIncompleteText => {
            "La session de ce navigateur est terminée, mais une partie de ce qui accompagnait la demande ne peut pas être terminée ici."
        }

        Text::PathAmbiguousHeading => "Cette adresse n’est pas claire",
        Text::PathAmbiguousText => "Elle peut être lue de plusieurs façons\u{a0}; elle n’a donc pas été suivie.",
        Text::BadRequestHeading => "Demande incorrecte",
        Text::MethodMalformedText => "La méthode de la demande n’est pas une méthode HTTP reconnue.",
        Text::HeaderAmbiguousText => "Un en-tête de la demande serait lu différemment plus loin.",
        Text::HostMissingText => "La demande n’indique pas à quel site elle s’adresse.",
        Text::QueryMalformedText => {
            "L’adresse contient deux fois le même paramètre, ou un paramètre dont la valeur n’est pas proposée."
        }
        Text::ReturnToRefusedText => "La page à ouvrir après la connexion n’est pas sur ce site.",
        Text::ProviderUnknownText => "Il n’y a ici aucun fournisseur de ce nom.",
        Text::HostUnknownHeading => "Ce n’est pas le bon site",
        Text::HostUnknownText => "Cette passerelle ne dessert pas le site demandé.",
        Text::MethodNotAllowedHeading => "Méthode non autorisée",
        Text::MethodNotAllowedText => "Cette adresse ne répond pas à cette méthode.",
        Text::BodyTooLargeHeading => "Demande trop volumineuse",
        Text::BodyTooLargeText => "Le corps de la demande dépasse la taille acceptée ici.",
        Text::BodyTypeRefusedText => "Le corps de la demande n’est pas du type attendu ici.",
        Text::BodyMalformedText => "Le corps de la demande est illisible, ou peut être lu de deux façons.",
        Text::BodyTimeoutHeading => "Demande trop lente",
        Text::BodyTimeoutText => "Le corps de la demande n’est pas arrivé à temps.",

        Text::TooManyBodiesHeading => "Impossible pour le moment",
        Text::UndecidedHeading => "Page indisponible",
        Text::UndecidedText => "Cette page n’est pas entièrement configurée.",
        Text::MetadataUnavailableHeading => "La connexion est impossible pour le moment",
        Text::MetadataUnavailableText => {
            "La connexion ne fonctionne pas pour le moment. Veuillez réessayer\u{a0}; si le problème persiste, signalez-le aux responsables de ce site."
        }
        Text::RefreshUnavailableHeading => "Indisponible pour le moment",
        Text::RefreshUnavailableText => {
            "Le service de connexion n’a pas pu être interrogé sur la poursuite de votre session. Veuillez réessayer dans un instant."
        }
        Text::SpeculativeHeading => "Page pas encore ouverte",
        Text::SpeculativeText => {
            "Votre navigateur a chargé cette page avant que vous ne la demandiez. Veuillez l’ouvrir à nouveau."
        }
        Text::SessionTornHeading => "Votre navigateur ne transmet qu’une partie de votre session",
        Text::SessionTornText => {
            "La connexion a réussi, mais les cookies de votre session ne sont pas tous revenus. Quelque chose limite les cookies en chemin\u{a0}: le navigateur, une extension ou un proxy. Si un nouvel essai n’y change rien, signalez-le aux responsables de ce site."
        }
        Text::SessionRefusedAgainHeading => "Votre session n’est pas acceptée ici",
        Text::SessionRefusedAgainText => {
            "Malgré plusieurs connexions, cette page n’accepte toujours pas la session. Une partie de ce site est configurée autrement qu’une autre. Si un nouvel essai n’y change rien, signalez-le aux responsables de ce site."
        }

        Text::SignInUnfinishedHeading => "Cette connexion ne peut pas aboutir",
        Text::AttemptMissingText => {
            "Votre navigateur n’a pas renvoyé le cookie de cette connexion. A-t-elle été commencée dans un autre navigateur, à une autre adresse de ce site, ou avec les cookies bloqués\u{a0}? Ce cookie se perd aussi quand de nombreuses connexions sont ouvertes à la fois, ou quand l’une d’elles le reste très longtemps."
        }
        Text::AttemptExpiredHeading => "Cette connexion a pris trop de temps",
        Text::AttemptExpiredText => {
            "La page du service de connexion est restée ouverte plus longtemps que ce site n’attend. Il n’y a pas d’autre problème."
        }
        Text::AttemptReplayedHeading => "Cette connexion a déjà été terminée",
        Text::AttemptReplayedText => "Elle ne peut pas servir deux fois, et aucune session n’est ouverte. Veuillez recommencer.",
        Text::StateMismatchText => {
            "La réponse ne correspond à aucune connexion commencée dans ce navigateur. Avez-vous utilisé un favori\u{a0}?"
        }
        Text::AuthorizationDeniedHeading => "La connexion a été refusée",
        Text::AuthorizationDeniedText => "Soit vous l’avez refusée, soit le service de connexion n’autorise pas ce compte ici.",
        Text::SignInFailedHeading => "La connexion a échoué",
        Text::AuthorizationErrorText => "Le service de connexion a refusé la demande.",
        Text::AuthorizationServerErrorText => {
            "Le service de connexion rencontre lui-même un problème. Veuillez réessayer dans un instant."
        }
        Text::CodeMissingText => "La réponse du service de connexion est incomplète.",
        Text::IssuerMismatchText => "La réponse vient d’un autre service de connexion que celui qui a été interrogé.",
        Text::ProviderUnreachableText => "Le service de connexion n’a pas pu être joint. Veuillez réessayer dans un instant.",
        Text::ProviderTimeoutHeading => "La connexion a pris trop de temps",
        Text::ProviderTimeoutText => "Le service de connexion n’a pas répondu à temps. Veuillez réessayer dans un instant.",
        Text::SignInMisconfiguredHeading => "La connexion n’est pas correctement configurée",
        Text::ClientAuthenticationFailedText => {
            "Le service de connexion n’accepte pas les identifiants de ce site. Veuillez le signaler aux responsables de ce site."
        }
        Text::TokenRequestRefusedText => {
            "Le service de connexion n’accepte pas les demandes de ce site. Veuillez le signaler aux responsables de ce site."
        }
        Text::CodeRefusedText => "Le service de connexion n’accepte plus cette connexion. Veuillez recommencer.",
        Text::ExchangeRefusedText => "Le service de connexion n’accepte pas ce code. Recommencez.",
        Text::ResponseModeMismatchText => "La réponse du service de connexion est arrivée par une autre voie que celle demandée.",
        Text::ProviderMalformedText => "Le service de connexion a donné une réponse illisible.",
        Text::IdTokenText => {
            "La réponse du service de connexion n’a pas satisfait à nos contrôles. Veuillez le signaler aux responsables de ce site."
        }
        Text::SessionTooLargeText => {
            "Votre compte comporte plus d’informations qu’une session ne peut en contenir. Veuillez le signaler aux responsables de ce site."
        }

        Text::CredentialsRefusedHeading => "Échec de la connexion",
        Text::CredentialsRefusedText => "Le nom et le mot de passe ne correspondent pas.",
        Text::TooManyFailuresHeading => "Trop de tentatives",
        Text::TooManyFailuresText => "La connexion a échoué trop souvent. Veuillez patienter un instant avant de réessayer.",
        Text::AccountsUnreachableHeading => "La connexion ne fonctionne pas pour le moment",
        Text::AccountsUnreachableText => "La liste des comptes n’a pas pu être consultée. Veuillez réessayer dans un instant.",
        Text::AccountsTimeoutHeading => "La connexion a pris trop de temps",
        Text::AccountsTimeoutText => "La liste des comptes n’a pas répondu à temps. Veuillez réessayer dans un instant.",
        Text::EmailUnverifiedHeading => "Votre adresse e-mail n’est pas vérifiée",
        Text::EmailUnverifiedText => {
            "Ici, les comptes sont retrouvés par adresse e-mail ou par numéro de téléphone, et le service de connexion ne garantit pas les vôtres. Faites-les vérifier auprès de lui, puis réessayez."
        }
        Text::AccountMissingHeading => "Il n’y a pas de compte pour vous",
        Text::AccountMissingText => "La connexion a réussi, mais vous n’avez pas de compte ici.",
        Text::AccountNotCreatedHeading => "Votre compte n’a pas pu être créé",
        Text::AccountNotCreatedText => {
            "La connexion a réussi, mais aucun compte n’a pu être créé pour vous. Veuillez réessayer\u{a0}; si le problème persiste, signalez-le aux responsables de ce site."
        }
        Text::InternalHeading => "Un problème est survenu",
    }
}

#[cfg(test)]
mod tests;
